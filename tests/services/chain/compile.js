// Compiles the contracts of this repository: `node compile.js FOLDER_OF_NODE_MODULES SOURCE.sol` writes them as JSON.
"use strict";
const fs = require("fs");
const path = require("path");
const solc = require(path.join(process.argv[2], "solc"));
const name = path.basename(process.argv[3]);
const input = {
  language: "Solidity",
  sources: { [name]: { content: fs.readFileSync(process.argv[3], "utf8") } },
  settings: {
    evmVersion: "paris",
    metadata: { bytecodeHash: "none", appendCBOR: false },
    optimizer: { enabled: true, runs: 200 },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const said = JSON.parse(solc.compile(JSON.stringify(input)));
for (const error of said.errors || []) {
  console.error(error.formattedMessage);
  if (error.severity === "error") process.exit(1);
}
const made = {};
for (const [contract, one] of Object.entries(said.contracts[name]))
  if (one.evm.bytecode.object) made[contract] = { abi: one.abi, bytecode: "0x" + one.evm.bytecode.object };
console.log(JSON.stringify({ compiler: solc.version(), source: name, contracts: made }, null, 1));
