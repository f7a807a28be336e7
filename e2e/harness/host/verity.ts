/** Formats a layer for dm-verity as containerd's differ does: hashes behind the data, and a note beside the file. */
import { createHash } from 'node:crypto'
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'

const block = 4096
const digestBytes = 32
const salt = Buffer.alloc(32)
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(salt).update(bytes).digest()

/** Returns the note's path. */
export function formatVerity(layer: string): string {
  const data = padded(readFileSync(layer))
  truncateSync(layer, data.length)
  const levels: Buffer[] = []
  for (let below = data; below.length > block; below = levels[0]!)
    levels.unshift(padded(Buffer.concat(blocksOf(below).map(sha256))))
  appendFileSync(layer, Buffer.concat([superblock(data.length / block), ...levels]))
  const roothash = sha256(levels[0] ?? data).toString('hex')
  const note = `${layer}.dmverity`
  writeFileSync(note, JSON.stringify({ roothash, hashoffset: data.length }))
  return note
}

/** cryptsetup's, in a block of its own. */
function superblock(blocks: number): Buffer {
  const bytes = Buffer.alloc(block)
  bytes.write('verity')
  bytes.writeUInt32LE(1, 8)
  bytes.writeUInt32LE(1, 12)
  bytes.fill(0xab, 16, 32)
  bytes.write('sha256', 32)
  bytes.writeUInt32LE(block, 64)
  bytes.writeUInt32LE(block, 68)
  bytes.writeBigUInt64LE(BigInt(blocks), 72)
  bytes.writeUInt16LE(digestBytes, 80)
  salt.copy(bytes, 88)
  return bytes
}

const padded = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc(Math.ceil(bytes.length / block) * block - bytes.length)])

const blocksOf = (bytes: Buffer): Buffer[] =>
  Array.from({ length: bytes.length / block }, (_, index) =>
    bytes.subarray(index * block, (index + 1) * block),
  )
