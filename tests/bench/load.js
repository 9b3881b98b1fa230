// A database's load: a client of MySQL over its default pipe makes a table, fills it with ROWS rows in transactions of 100,
// changes a third of them and adds an index. Prints "load<TAB>milliseconds". Exit code 1: refused, 2: no server.
const rows = Number(process.argv[2]);
const socket = require('net').connect('\\\\.\\pipe\\MySQL');
socket.on('error', (e) => { console.log('no server', e.code); process.exit(2); });

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

const todo = statements();
let buffer = Buffer.alloc(0), step = 'greeting', start;
const send = (number, body) => {
  const head = Buffer.alloc(4);
  head.writeUIntLE(body.length, 0, 3);
  head[3] = number;
  socket.write(Buffer.concat([head, body]));
};
const next = () => {
  const { value, done } = todo.next();
  if (!done) return send(0, Buffer.from('\x03' + value));
  console.log(`load\t${(performance.now() - start).toFixed(3)}`);
  process.exit(0);
};
const packet = (number, body) => {
  if (body[0] === 0xff) { console.log(body.toString('latin1', 3)); process.exit(1); }
  if (step === 'greeting') {
    const hello = Buffer.alloc(32);
    hello.writeUInt32LE(0x88201);  // 4.1 protocol, authentication by plug-in
    hello.writeUInt32LE(1 << 24, 4);
    hello[8] = 33;
    send(number + 1, Buffer.concat([hello, Buffer.from('root\0\0mysql_native_password\0')]));
    step = 'login';
  } else if (step === 'login' && body[0] === 0xfe) {
    send(number + 1, Buffer.alloc(0));
  } else {
    if (step === 'login') start = performance.now();
    step = 'load';
    next();
  }
};
socket.on('data', (more) => {
  for (buffer = Buffer.concat([buffer, more]); buffer.length >= 4 && buffer.length >= 4 + buffer.readUIntLE(0, 3);) {
    const size = buffer.readUIntLE(0, 3), number = buffer[3], body = buffer.subarray(4, 4 + size);
    buffer = buffer.subarray(4 + size);
    packet(number, body);
  }
});
setTimeout(() => { console.log('no answer at', step); process.exit(3); }, 120000);
