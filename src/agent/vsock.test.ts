import { expect, test } from 'bun:test'
import { closeSync, readSync, writeSync } from 'node:fs'
import { watchOpenFiles } from '../linux/files/open-files.double.ts'
import { SyscallError } from '../linux/libc.ts'
import { socketPair } from '../linux/sockets/socket.ts'
import { adoptConnected } from '../ttrpc/bun.ts'
import { dialVsock } from './vsock.ts'

/** An address that no machine here has. */
const nobody = 0x7fff_fff0

test('where no machine is nothing is dialled, and no descriptor stays', async () => {
  const nothingStaysOpen = watchOpenFiles()
  const outcome = await dialVsock(nobody, 1024, AbortSignal.timeout(200)).catch((error) => error)
  // A host without vsock answers at once. A host that is a machine itself waits for its own host.
  if (outcome instanceof SyscallError)
    expect(['EAFNOSUPPORT', 'ENODEV', 'ENETUNREACH', 'ECONNRESET', 'ETIMEDOUT']).toContain(outcome.errno)
  else expect(outcome).toMatchObject({ name: 'TimeoutError' })
  await nothingStaysOpen()
})

test('a socket that is connected already carries both ways, and its end is told', async () => {
  const [ours, theirs] = socketPair()
  const transport = await adoptConnected(ours)
  const received = new Promise<string>((resolve) =>
    transport.onData((chunk) => resolve(Buffer.from(chunk).toString())),
  )
  const closed = new Promise<void>((resolve) => transport.onClose(() => resolve()))
  writeSync(theirs, 'from the guest')
  expect(await received).toBe('from the guest')
  await transport.write(Buffer.from('from the host'))
  const buffer = Buffer.alloc(64)
  expect(buffer.toString('utf8', 0, readSync(theirs, buffer))).toBe('from the host')
  closeSync(theirs)
  await closed
})
