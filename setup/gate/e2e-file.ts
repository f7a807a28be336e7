/** Runs one e2e test file on the host that it is started on: `bun e2e-file.ts FILE REPORT TESTS-AT-A-TIME`. */
import { runHere } from './e2e-run.ts'

const [file = '', report = '', tests] = process.argv.slice(2)
process.exit(await runHere({ files: [file], report, tests: Number(tests) }))
