import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from './in-quickjs.double.ts'

/** QuickJS 2025-04-26 has wrong answers for BigInt.asUintN, so what is written is read back in it. */
const imports = `
import { Message } from ${JSON.stringify(join(sources, '../../../src/protobuf/message.ts'))}
const Numbers = new Message('1 unsigned uint64;2 signed int64;3 text string')
`

test.skipIf(!hasQuickjs)(
  'numbers of 64 bits come back in the engine of the guest',
  async () => {
    const numbers = [
      0n,
      1n,
      127n,
      128n,
      2n ** 53n - 1n,
      2n ** 53n + 1n,
      2n ** 63n - 1n,
      2n ** 63n,
      2n ** 64n - 1n,
    ]
    const body = `
for (const number of [${numbers.map((number) => `${number}n`).join()}]) {
  const signed = number < 2n ** 63n ? number : number - 2n ** 64n
  const read = Numbers.decode(Numbers.encode({ unsigned: number, signed, text: '\\ufeff\u00e9' }).finish())
  out.puts([read.unsigned, read.signed === signed, read.text === '\\ufeff\u00e9'].join(' ') + '\\n')
}
`
    expect(await inQuickjs({ imports, body })).toBe(numbers.map((number) => `${number} true true\n`).join(''))
  },
  60_000,
)
