import { expect, test } from 'bun:test'
import { ip, noNetns, TestNetns } from '../../src/network/testing.ts'
import { testNetns } from './test-leftovers.ts'

const reason = noNetns()
if (reason !== undefined) console.log(`skipped: ${reason}`)

test.skipIf(reason !== undefined)('of the network namespaces only those that tests made are theirs', () => {
  const theirs = `kt-theirs-${process.pid}`
  ip(`netns add ${theirs}`)
  try {
    using own = new TestNetns(`ktx${process.pid}`)
    const found = testNetns()
    expect(found).toContain(own.name)
    expect(found).not.toContain(theirs)
  } finally {
    ip(`netns del ${theirs}`)
  }
})
