// A database's load: a client of MySQL over its default pipe makes a table, fills it with ROWS rows in transactions of 100,
// changes a third of them and adds an index. Prints "load<TAB>milliseconds". Exit code 1: refused, 2: no server.
const rows = Number(process.argv[2]);

function* statements() {
  yield 'create database if not exists bench';
  yield 'drop table if exists bench.t';
  yield 'create table bench.t (id int primary key, name varchar(60), n int, note text, key(n)) engine=innodb';
  yield 'set autocommit=0';
  for (let at = 0; at < rows; at += 100) {
    const values = [];
    for (let i = at; i < at + 100; ++i) values.push(`(${i},'name${(i * 7919) % 100003}',${i % 997},'${'note '.repeat(5 + i % 25)}')`);
    yield `insert into bench.t values ${values.join(',')}`;
    yield 'commit';
  }
  yield 'update bench.t set n=n+1 where id%3=0';
  yield 'commit';
  yield 'create index names on bench.t (name)';
}

require('./mysql_client.js').connect(120000).then(async (database) => {
  const start = performance.now();
  for (const statement of statements()) await database.query(statement);
  console.log(`load\t${(performance.now() - start).toFixed(3)}`);
  process.exit(0);
});
