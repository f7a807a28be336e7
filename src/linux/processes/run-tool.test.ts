import { expect, test } from 'bun:test'
import { processRef } from './proc.ts'
import { runTool } from './run-tool.ts'
import { signalProcess } from './signal.ts'
import { systemTool } from './which.ts'

const sh = systemTool('sh')

test('a tool is over with its own end, whoever it leaves behind with its output', async () => {
  const { code, stdout, stderr } = await runTool([sh, '-c', 'sleep 100 & echo $!; echo done >&2; exit 3'])
  signalProcess(processRef(Number(stdout))!, 'SIGKILL')
  expect({ code, stderr }).toEqual({ code: 3, stderr: 'done\n' })
}, 20_000)

test('one that hangs in a program of its own is ended at the deadline, with what it said', async () => {
  const started = [sh, '-c', 'sleep 100 & echo $!; wait']
  let said = ''
  // On a busy host it may be ended before its first word.
  for (let timeoutMs = 200; said === ''; timeoutMs *= 2) {
    const { code, stdout } = await runTool(started, { timeoutMs })
    expect(code).toBeNull()
    said = stdout
  }
  signalProcess(processRef(Number(said))!, 'SIGKILL')
}, 20_000)

test('all that it said is there, however much', async () => {
  const { stdout } = await runTool([sh, '-c', 'head -c 3000000 /dev/zero | tr "\\0" x'])
  expect(stdout.length).toBe(3_000_000)
})
