// One line for each check, and the line that scripts/test counts.
'use strict';

let passed = 0;
let failed = 0;

async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL: ${name}\n${error.stack || error}`);
  }
}

function finish() {
  console.log(`${passed} passed, ${failed} failed, 0 skipped`);
  process.exit(failed ? 1 : 0);
}

module.exports = { check, finish };
