// Sums the prices of the items of each order. The protocol: worker/program/doc.go.
// Try it: printf '%s\n' '{"pipeproc":1}' '{"n":1,"key":"a","body":{"items":[{"price":2}]}}' | node examples/processor-node/total.js
const readline = require("node:readline");

const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");

say({ pipeproc: 1 });
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { n, key, body } = JSON.parse(line);
  if (n === undefined) return; // the node's greeting
  try {
    const total = body.items.reduce((sum, item) => sum + item.price, 0);
    say({ n, records: [{ key, body: { total } }] });
  } catch (err) {
    say({ n, error: err.message });
  }
});
