/**
 * `test` for a file whose tests have nothing to do with each other: as many at a time as the runner lets, which is two. A test that looks at all of the
 * host, or at all containers, is none of these.
 */
import { test } from 'bun:test'

export const independentTest = test.concurrent
