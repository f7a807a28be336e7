import { expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { waitingLog } from './waiting-log.ts'

test('the log has no bound of its own while it is the pool server’s, and one with the pod’s name once it is a pod’s', () => {
  const directory = mkdtempSync(`${tmpdir()}/waiting-log-`)
  const path = `${directory}/log`
  const fd = openSync(path, 'a+')
  try {
    const { log, becomePods } = waitingLog('w', { fd, mostBytes: 4000 })
    for (let index = 0; index < 100; index++) log.info(`${index}`)
    const lines = () => readFileSync(path, 'utf8').trimEnd().split('\n')
    expect(lines()).toHaveLength(100)
    expect(JSON.parse(lines().at(-1)!)).toMatchObject({ msg: '99', sandbox: 'pool/w' })
    becomePods('pod')
    for (let index = 0; index < 100; index++) {
      log.info(`${index}`)
      expect(statSync(path).size).toBeLessThan(4200)
    }
    expect(JSON.parse(lines().at(-1)!)).toMatchObject({ msg: '99', sandbox: 'pod' })
  } finally {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  }
})
