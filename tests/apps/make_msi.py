#!/usr/bin/env python3
"""A Windows Installer package around a folder of files: wixl makes it, msibuild adds the tables that wixl does not know.

  make_msi.py OUT.msi --name N --version 1.0.0 --files DIR [--main bin/n.exe] [--user] [--shortcut] [--env NAME=VALUE]...
              [--class CLSID=FILE] [--self-register FILE] [--extension .ext] [--font FILE]
              [--action-dll DLL] [--action-exe EXE] [--action-installed ARGUMENTS] [--service NAME=PROGRAM ARGUMENTS]

--service installs --main as a service on demand and starts it; it must be NSSM, which runs the given program.

Ids are hashes of names, so that two versions of a product share components and upgrade code. Names of environment variables
carry the table's marks already (=-*PATH).
"""
import argparse
import os
import subprocess
import tempfile
import uuid
from xml.sax.saxutils import quoteattr

SPACE = uuid.UUID("0d5e8a44-6b1e-4b7a-9a53-5d1b6f1c7e21")
COLUMNS = {
    "Class": "`CLSID` CHAR(38) NOT NULL, `Context` CHAR(32) NOT NULL, `Component_` CHAR(72) NOT NULL, `ProgId_Default` CHAR(255), "
             "`Description` CHAR(255), `AppId_` CHAR(38), `FileTypeMask` CHAR(255), `Icon_` CHAR(72), `IconIndex` INT, "
             "`DefInprocHandler` CHAR(32), `Argument` CHAR(255), `Feature_` CHAR(38) NOT NULL, `Attributes` INT "
             "PRIMARY KEY `CLSID`, `Context`, `Component_`",
    "ProgId": "`ProgId` CHAR(255) NOT NULL, `ProgId_Parent` CHAR(255), `Class_` CHAR(38), `Description` CHAR(255), "
              "`Icon_` CHAR(72), `IconIndex` INT PRIMARY KEY `ProgId`",
    "Extension": "`Extension` CHAR(255) NOT NULL, `Component_` CHAR(72) NOT NULL, `ProgId_` CHAR(255), `MIME_` CHAR(64), "
                 "`Feature_` CHAR(38) NOT NULL PRIMARY KEY `Extension`, `Component_`",
    "Verb": "`Extension_` CHAR(255) NOT NULL, `Verb` CHAR(32) NOT NULL, `Sequence` INT, `Command` CHAR(255), "
            "`Argument` CHAR(255) PRIMARY KEY `Extension_`, `Verb`",
    "Environment": "`Environment` CHAR(72) NOT NULL, `Name` CHAR(255) NOT NULL, `Value` CHAR(255), `Component_` CHAR(72) NOT NULL "
                   "PRIMARY KEY `Environment`",
    "SelfReg": "`File_` CHAR(72) NOT NULL, `Cost` INT PRIMARY KEY `File_`",
    "Font": "`File_` CHAR(72) NOT NULL, `FontTitle` CHAR(128) PRIMARY KEY `File_`",
}
# Where Microsoft's own sequence has them.
ACTIONS = {
    "Class": [("RegisterClassInfo", 4600), ("UnregisterClassInfo", 2700)],
    "ProgId": [("RegisterProgIdInfo", 4800), ("UnregisterProgIdInfo", 2900)],
    "Extension": [("RegisterExtensionInfo", 4700), ("UnregisterExtensionInfo", 2800)],
    "Verb": [],
    "Environment": [("WriteEnvironmentStrings", 5200), ("RemoveEnvironmentStrings", 3300)],
    "SelfReg": [("SelfRegModules", 5600), ("SelfUnregModules", 2200)],
    "Font": [("RegisterFonts", 5300), ("UnregisterFonts", 2500)],
}


def guid(*parts):
    return str(uuid.uuid5(SPACE, "/".join(parts))).upper()


class Package:
    def __init__(self, options):
        self.o = options
        self.folder = ""   # where the source for wixl is
        self.ids = {}      # relative path: (file id, component id)
        self.tables = {}   # name: [row]

    def source(self, path):
        """wixl takes only names relative to the folder of the source."""
        return quoteattr(os.path.relpath(path, self.folder))

    def files(self, folder, depth, relative=""):
        """The Directory elements' content for one folder."""
        out, pad = [], "  " * depth
        for name in sorted(os.listdir(folder)):
            path, below = os.path.join(folder, name), f"{relative}/{name}".lstrip("/")
            number = len(self.ids)
            if os.path.isdir(path):
                out.append(f'{pad}<Directory Id="d{uuid.uuid5(SPACE, below).hex}" Name={quoteattr(name)}>')
                out += self.files(path, depth + 1, below)
                out.append(f"{pad}</Directory>")
                continue
            self.ids[below] = (f"f{number}", f"c{number}")
            out.append(f'{pad}<Component Id="c{number}" Guid="{guid(self.o.name, below)}" Win64="yes">')
            link = ""
            if self.o.shortcut and below == self.o.main:
                link += f'<Shortcut Id="menu" Directory="ProgramMenuFolder" Name={quoteattr(self.o.name)} WorkingDirectory="INSTALLDIR"/>'
            out.append(f'{pad}  <File Id="f{number}" Name={quoteattr(name)} Source={self.source(path)} KeyPath="yes">{link}</File>')
            if self.o.service and below == self.o.main:
                out += [pad + "  " + line for line in self.service()]
            out.append(f"{pad}</Component>")
        return out

    def service(self):
        """The elements for the component of its program."""
        name, _, command = self.o.service.partition("=")
        program, _, arguments = command.partition(" ")
        return [
            f'<ServiceInstall Id="service" Name="{name}" DisplayName="{name} of {self.o.name}" Type="ownProcess" Start="demand" '
            'ErrorControl="normal"/>',
            f'<ServiceControl Id="control" Name="{name}" Start="install" Stop="both" Remove="uninstall" Wait="yes"/>',
            f'<RegistryKey Root="HKLM" Key="System\\CurrentControlSet\\Services\\{name}\\Parameters">',
            f'  <RegistryValue Name="Application" Type="expandable" Value={quoteattr(program)}/>',
            f'  <RegistryValue Name="AppParameters" Type="expandable" Value={quoteattr(arguments)}/>',
            '  <RegistryValue Name="AppDirectory" Type="expandable" Value="[INSTALLDIR]"/>', '</RegistryKey>']

    def wxs(self):
        o = self.o
        root = "HKCU" if o.user else "HKLM"
        files = self.files(o.files, 5)
        binaries = [f'<Binary Id="{name}" SourceFile={self.source(path)}/>'
                    for name, path in (("ActionDll", o.action_dll), ("ActionExe", o.action_exe)) if path]
        program_files = "LocalAppDataFolder" if o.user else "ProgramFiles64Folder"
        refs = "".join(f'<ComponentRef Id="{c}"/>' for _, c in self.ids.values())
        lines = [
            '<?xml version="1.0" encoding="utf-8"?>', '<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">',
            f'<Product Id="{guid(o.name, o.version)}" UpgradeCode="{guid(o.name)}" Name={quoteattr(o.name)} Version="{o.version}" '
            'Manufacturer="Plume tests" Language="1033">',
            f'<Package InstallerVersion="200" Compressed="yes" InstallScope="{"perUser" if o.user else "perMachine"}"/>',
            '<Media Id="1" Cabinet="files.cab" EmbedCab="yes"/>',
            '<MajorUpgrade DowngradeErrorMessage="a newer version is there"/>', *binaries,
            '<Directory Id="TARGETDIR" Name="SourceDir">', '  <Directory Id="ProgramMenuFolder"/>',
            f'  <Directory Id="{program_files}">', f'    <Directory Id="INSTALLDIR" Name={quoteattr(o.name)}>', *files,
            f'      <Component Id="keys" Guid="{guid(o.name, "keys")}" Win64="yes">',
            f'        <RegistryKey Root="{root}" Key="Software\\{o.name}">',
            f'          <RegistryValue Name="Version" Type="string" Value="{o.version}" KeyPath="yes"/>',
            '          <RegistryValue Name="Folder" Type="string" Value="[INSTALLDIR]"/>',
            '        </RegistryKey>', '      </Component>', '    </Directory>', '  </Directory>', '</Directory>',
            f'<Feature Id="All" Level="1">{refs}<ComponentRef Id="keys"/></Feature>',
            '</Product></Wix>']
        return "\n".join(lines)

    def row(self, table, **values):
        self.tables.setdefault(table, []).append(values)

    def extra(self):
        o = self.o
        for number, pair in enumerate(o.env):
            name, _, value = pair.partition("=")
            while name == "":  # "=-*PATH=..." begins with a mark
                name, _, value = value.partition("=")
                name = "=" + name
            self.row("Environment", Environment=f"e{number}", Name=name, Value=value, Component_="keys")
        for name in ["action.txt"] * bool(o.action_dll) + ["packed.7z"] * bool(o.action_exe):
            self.row("RemoveFile", FileKey=name.replace(".", "_"), Component_="keys", FileName=name, DirProperty="INSTALLDIR",
                     InstallMode=2)
        if o.com_class:
            clsid, _, file = o.com_class.partition("=")
            progid = f"{o.name}.Document"
            self.row("Class", CLSID=clsid, Context="InprocServer32", Component_=self.ids[file][1], ProgId_Default=progid,
                     Description=f"{o.name} class", Argument="Apartment", Feature_="All")
            self.row("ProgId", ProgId=progid, Class_=clsid, Description=f"{o.name} document")
        if o.self_register:
            self.row("SelfReg", File_=self.ids[o.self_register][0], Cost=1)
        if o.extension:
            if not o.com_class:
                self.row("ProgId", ProgId=f"{o.name}.File", Description=f"{o.name} file")
            self.row("Extension", Extension=o.extension.lstrip("."), Component_=self.ids[o.main][1],
                     ProgId_=f"{o.name}.Document" if o.com_class else f"{o.name}.File", Feature_="All")
            self.row("Verb", Extension_=o.extension.lstrip("."), Verb="open", Sequence=1, Argument='"%1"')
        if o.font:
            self.row("Font", File_=self.ids[o.font][0], FontTitle="Plume Test (TrueType)")

    def actions(self):
        """(action, type, source, target, number in the sequence) of custom actions; immediate, and deferred without impersonation."""
        deferred = 1024 + 2048
        if self.o.action_dll:
            yield "Prepare", 1, "ActionDll", "Prepare", 1010
            yield "Perform", 1 + deferred, "ActionDll", "Perform", 4010
        if self.o.action_exe:
            yield "Pack", 2 + deferred, "ActionExe", 'a -mmt1 "[INSTALLDIR]packed.7z" "[INSTALLDIR]*.exe"', 4020
        if self.o.action_installed:
            yield "RunInstalled", 18 + deferred, self.ids[self.o.main][0], self.o.action_installed, 4030

    def sql(self):
        # The old version goes before the new one comes.
        yield "UPDATE `InstallExecuteSequence` SET `Sequence`=1450 WHERE `Action`='RemoveExistingProducts'"
        for action, kind, source, target, number in self.actions():
            yield ("INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) "
                   f"VALUES ('{action}', {kind}, '{source}', '{target}')")
            yield ("INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) "
                   f"VALUES ('{action}', 'NOT REMOVE', {number})")
        for table, rows in self.tables.items():
            if table in COLUMNS:  # wixl always makes the others
                yield f"CREATE TABLE `{table}` ({COLUMNS[table]})"
            for row in rows:
                names = ", ".join(f"`{n}`" for n in row)
                values = ", ".join(str(v) if isinstance(v, int) else f"'{v}'" for v in row.values())
                yield f"INSERT INTO `{table}` ({names}) VALUES ({values})"
            for action, number in ACTIONS.get(table, []):
                yield f"INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('{action}', {number})"

    def build(self):
        with tempfile.TemporaryDirectory() as folder:
            self.folder = os.path.realpath(folder)
            source = os.path.join(self.folder, "package.wxs")
            with open(source, "w", encoding="utf-8") as f:
                f.write(self.wxs())
            subprocess.run(["wixl", "-a", "x64", "-o", self.o.out, source], check=True)
        self.extra()
        for statement in self.sql():
            subprocess.run(["msibuild", self.o.out, "-q", statement], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    for option in ("name", "version", "files"):
        parser.add_argument("--" + option, required=True)
    for option in ("main", "self-register", "extension", "font", "action-dll", "action-exe", "action-installed", "service"):
        parser.add_argument("--" + option, default="")
    parser.add_argument("--class", dest="com_class", default="")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--user", action="store_true")
    parser.add_argument("--shortcut", action="store_true")
    options = parser.parse_args()
    options.files = os.path.abspath(options.files)
    Package(options).build()


if __name__ == "__main__":
    main()
