// A client of MySQL over its default pipe (\\.\pipe\MySQL), as root without a password.
//   query(sql): a promise of the rows, a line each; of none for what has no rows
// Ends the program where there is no answer to give. Exit code 1: refused, 2: no server, 3: no answer in time.
const net = require('net');

exports.connect = (patience) => new Promise((connected) => {
  const socket = net.connect('\\\\.\\pipe\\MySQL');
  const end = (code, ...why) => { console.log(...why); process.exit(code); };
  let buffer = Buffer.alloc(0), step = 'greeting', rows = [], answer;
  const send = (number, body) => {
    const head = Buffer.alloc(4);
    head.writeUIntLE(body.length, 0, 3);
    head[3] = number;
    socket.write(Buffer.concat([head, body]));
  };
  const query = (sql) => new Promise((done) => {
    answer = done;
    rows = [];
    step = 'answer';
    send(0, Buffer.from('\x03' + sql));
  });
  const line = (row) => {  // of short values only
    const out = [];
    for (let at = 0; at < row.length; at += 1 + row[at]) out.push(row.subarray(at + 1, at + 1 + row[at]).toString());
    return out.join(' ');
  };
  const packet = (number, body) => {
    if (body[0] === 0xff) end(1, body.toString('latin1', 3));
    if (step === 'greeting') {
      const hello = Buffer.alloc(32);
      hello.writeUInt32LE(0x88201);  // 4.1 protocol, authentication by plug-in
      hello.writeUInt32LE(1 << 24, 4);
      hello[8] = 33;
      send(number + 1, Buffer.concat([hello, Buffer.from('root\0\0mysql_native_password\0')]));
      step = 'login';
    } else if (step === 'login') {
      if (body[0] === 0xfe) send(number + 1, Buffer.alloc(0)); else connected({ query });
    } else if (step === 'answer') {
      if (body[0] === 0) answer([]); else step = 'columns';
    } else if (body[0] !== 0xfe) {
      if (step === 'rows') rows.push(line(body));
    } else if (step === 'columns') {
      step = 'rows';
    } else {
      answer(rows);
    }
  };
  socket.on('error', (e) => end(2, 'no server', e.code));
  socket.on('data', (more) => {
    for (buffer = Buffer.concat([buffer, more]); buffer.length >= 4 && buffer.length >= 4 + buffer.readUIntLE(0, 3);) {
      const size = buffer.readUIntLE(0, 3), number = buffer[3], body = buffer.subarray(4, 4 + size);
      buffer = buffer.subarray(4 + size);
      packet(number, body);
    }
  });
  setTimeout(() => end(3, 'no answer at', step), patience);
});
