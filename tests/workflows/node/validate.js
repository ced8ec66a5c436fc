// Prints what GitHub's own language service says of each workflow of a repository, as JSON.
import {validate} from "@actions/languageservice/validate";
import {readFileSync, readdirSync} from "node:fs";
import {join} from "node:path";
import {TextDocument} from "vscode-languageserver-textdocument";

const root = process.argv[2];
const read = path => readFileSync(join(root, path), "utf8");
const config = {fileProvider: {getFileContent: async ref => ({name: ref.path, content: read(ref.path)})}};

async function main() {
  const found = [];
  for (const name of readdirSync(join(root, ".github/workflows")).filter(name => name.endsWith(".yml"))) {
    const path = `.github/workflows/${name}`;
    const document = TextDocument.create(`file:///${path}`, "yaml", 1, read(path));
    for (const {message, range, severity} of await validate(document, config)) {
      found.push({path, line: range.start.line + 1, message, severity});
    }
  }
  process.stdout.write(JSON.stringify(found));
}

main();
