// Prints what the database answers to a statement, a line per row; "done" where there are none.
require('./mysql_client.js').connect(20000).then(async (database) => {
  const rows = await database.query(process.argv[2]);
  console.log(rows.length ? rows.join('\n') : 'done');
  process.exit(0);
});
