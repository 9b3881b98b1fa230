// Ports of LPC and ALPC. Wine has neither (its RPC goes over named pipes): built for Windows.
#include "vl/calls/object_space.h"

namespace plume::vl {
namespace {

// A port named by a string of its own.
class PortName {
 public:
  explicit PortName(nt::UnicodeString* user) : vl_(Enter()) {
    view::WView name, real;
    if (!user) return;
    status_ = CaptureString(scratch_, user, &name);
    if (!nt::Ok(status_)) return;
    real = name;
    if (!name.empty()) status_ = RenameObject(vl_, scratch_, nullptr, name, &real, &meaning_);
    own_.buffer = const_cast<char16_t*>(real.data());
    own_.length = own_.maximum_length = static_cast<uint16_t>(real.size() * 2);
    name_ = &own_;
  }
  PortName(const PortName&) = delete;
  PortName& operator=(const PortName&) = delete;
  nt::NtStatus status() const { return status_; }
  nt::UnicodeString* name() { return name_; }

 private:
  const VlState& vl_;
  CallScratch scratch_;
  ObjectMeaning meaning_;
  nt::UnicodeString own_{};
  nt::UnicodeString* name_ = nullptr;
  nt::NtStatus status_ = nt::kSuccess;
};

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtCreatePort(nt::Handle* handle, nt::ObjectAttributes* attributes,
                                          nt::Ulong information, nt::Ulong message, nt::Ulong pool) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreatePort(handle, call.attributes(), information, message, pool);
}

nt::NtStatus PLUME_NTAPI HookNtCreateWaitablePort(nt::Handle* handle, nt::ObjectAttributes* attributes,
                                                  nt::Ulong information, nt::Ulong message, nt::Ulong pool) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreateWaitablePort(handle, call.attributes(), information, message, pool);
}

nt::NtStatus PLUME_NTAPI HookNtConnectPort(nt::Handle* handle, nt::UnicodeString* name, void* quality,
                                           void* client, void* server, nt::Ulong* message, void* information,
                                           nt::Ulong* information_length) {
  PortName port(name);
  if (!nt::Ok(port.status())) return port.status();
  return orig.NtConnectPort(handle, port.name(), quality, client, server, message, information,
                            information_length);
}

nt::NtStatus PLUME_NTAPI HookNtSecureConnectPort(nt::Handle* handle, nt::UnicodeString* name, void* quality,
                                                 void* client, void* sid, void* server, nt::Ulong* message,
                                                 void* information, nt::Ulong* information_length) {
  PortName port(name);
  if (!nt::Ok(port.status())) return port.status();
  return orig.NtSecureConnectPort(handle, port.name(), quality, client, sid, server, message, information,
                                  information_length);
}

nt::NtStatus PLUME_NTAPI HookNtAlpcCreatePort(nt::Handle* handle, nt::ObjectAttributes* attributes,
                                              void* port) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtAlpcCreatePort(handle, call.attributes(), port);
}

nt::NtStatus PLUME_NTAPI HookNtAlpcConnectPort(nt::Handle* handle, nt::UnicodeString* name,
                                               nt::ObjectAttributes* attributes, void* port_attributes,
                                               nt::Ulong flags, void* sid, void* message, size_t* length,
                                               void* out_attributes, void* in_attributes,
                                               nt::LargeInteger* timeout) {
  PortName port(name);
  if (!nt::Ok(port.status())) return port.status();
  ObjectCall own(attributes);
  if (!nt::Ok(own.status())) return own.status();
  return orig.NtAlpcConnectPort(handle, port.name(), own.attributes(), port_attributes, flags, sid, message,
                                length, out_attributes, in_attributes, timeout);
}

nt::NtStatus PLUME_NTAPI HookNtAlpcConnectPortEx(nt::Handle* handle, nt::ObjectAttributes* name,
                                                 nt::ObjectAttributes* attributes, void* port_attributes,
                                                 nt::Ulong flags, void* security, void* message,
                                                 size_t* length, void* out_attributes, void* in_attributes,
                                                 nt::LargeInteger* timeout) {
  ObjectCall port(name);
  if (!nt::Ok(port.status())) return port.status();
  ObjectCall own(attributes);
  if (!nt::Ok(own.status())) return own.status();
  return orig.NtAlpcConnectPortEx(handle, port.attributes(), own.attributes(), port_attributes, flags,
                                  security, message, length, out_attributes, in_attributes, timeout);
}

}  // namespace plume::vl
