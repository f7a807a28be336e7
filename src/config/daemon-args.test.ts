import { describe, expect, test } from 'bun:test'
import { daemonArgs } from './daemon-args.ts'
import { Refusal } from './value-types.ts'

/** An argument that kata-ts sets itself, or that gives more rights or ends the daemon. */
const own = (name: string): [string[]] => [[`--${name}=x`]]

describe("virtiofsd's arguments", () => {
  const read: [string, readonly string[], readonly string[]][] = [
    ['its own spelling', ['--thread-pool-size=1', '--xattr'], ['--thread-pool-size=1', '--xattr']],
    [
      "that of runtime-rs' files",
      ['--thread-pool-size=1', '-o', 'announce_submounts'],
      ['--thread-pool-size=1', '--announce-submounts'],
    ],
    ['several in one -o', ['-o', 'xattr,log_level=debug'], ['--xattr', '--log-level=debug']],
  ]
  test.each(read)('%s is read', (_, given, expected) => {
    expect(daemonArgs.fromToml(given)).toEqual(expected)
    expect(daemonArgs.fromText(JSON.stringify(given))).toEqual(expected)
  })

  test.each([
    [['-o']],
    [['-o', 'source=/']],
    [['-o', 'sandbox=none']],
    [['-o', 'modcaps=+sys_admin']],
    [['-o', 'cache=always']],
    [['-o', 'xattr,nonsense']],
    [['-o', '-o']],
    [['-o', '']],
    [['-d']],
    [['announce_submounts']],
    [['--sandbox=none']],
    [['--sandbox', 'none']],
    [['--log-level=info --sandbox=none']],
    [['--log-level=info\n']],
    ...['fd', 'socket', 'socket-path', 'socket-group', 'shared-dir', 'tag', 'seccomp', 'cache'].map(own),
    ...['modcaps', 'uid-map', 'gid-map', 'print-capabilities', 'help', 'version'].map(own),
  ])('%j is refused', (given) => {
    expect(daemonArgs.fromToml(given)).toEqual(new Refusal('value'))
    expect(daemonArgs.fromText(JSON.stringify(given))).toEqual(new Refusal('value'))
  })

  test('what is no list of strings is of the wrong type', () => {
    for (const given of ['-o xattr', ['-o', 1n], [1n], {}])
      expect(daemonArgs.fromToml(given)).toEqual(new Refusal('type'))
    for (const text of ['{}', '3', '["-o", 1]'])
      expect(daemonArgs.fromText(text)).toEqual(new Refusal('type'))
  })

  test('a text that is no JSON is a list with commas, as annotations of runtime-rs have it', () => {
    expect(daemonArgs.fromText('--xattr')).toEqual(['--xattr'])
    expect(daemonArgs.fromText('--thread-pool-size=2,-o,announce_submounts')).toEqual([
      '--thread-pool-size=2',
      '--announce-submounts',
    ])
    for (const text of [
      '',
      'null',
      '--xattr,',
      '--xattr, --posix-acl',
      '--xattr,--sandbox=none',
      '["--xattr"',
    ])
      expect([text, daemonArgs.fromText(text)]).toEqual([text, new Refusal('value')])
  })
})
