/** A stream through a command in the sandbox: more than fits into memory could go through it. */
import { Sandbox } from '@kata-ts/sdk'

await using box = await Sandbox.attach(process.argv[2] ?? 'shared')
await using counter = await box.spawn(['wc', '-c'])

let left = 100
const source = new ReadableStream<Uint8Array>({
  pull(controller) {
    if (left-- > 0) controller.enqueue(new Uint8Array(10_000))
    else controller.close()
  },
})
const sending = source.pipeTo(counter.stdin)
for await (const chunk of counter.stdout) process.stdout.write(chunk)
await sending
console.log('exit', await counter.exitCode)
