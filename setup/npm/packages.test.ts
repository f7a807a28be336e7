/** The packages as npm packs and installs them, without a network, used from plain Node. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { version } from '../../src/version.ts'
import { root } from '../paths.ts'
import { buildPackage, packages } from './packages.ts'

const base = mkdtempSync(`${tmpdir()}/npm-`)
const user = `${base}/user`
afterAll(() => rmSync(base, { recursive: true }))

function run(program: string, args: readonly string[], cwd: string) {
  const env = { ...process.env, npm_config_cache: `${base}/cache`, npm_config_update_notifier: 'false' }
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

const pack = (directory: string) =>
  run('npm', ['pack', '--silent', '--pack-destination', base, directory], base).trim()

beforeAll(() => {
  for (const one of packages) buildPackage(one, `${base}/${one.name}`)
  mkdirSync(user)
  writeFileSync(`${user}/package.json`, '{ "private": true, "type": "module" }')
  const files = packages.map(({ name }) => `${base}/${pack(`${base}/${name}`)}`)
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', '--silent', ...files], user)
}, 120_000)

const node = (script: string) => {
  writeFileSync(`${user}/script.mjs`, script)
  return run('node', ['script.mjs'], user)
}

test('ttrpc: client and server meet at a socket', () => {
  const script = `
    import { connect, createClient, serve, service } from '@kata-ts/ttrpc'
    import { connectUnix, listenUnix } from '@kata-ts/ttrpc/node'
    const json = {
      encode: (message) => ({ finish: () => new TextEncoder().encode(JSON.stringify(message)) }),
      decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
      fromPartial: (partial) => partial,
    }
    const say = { name: 'Say', requestType: json, responseType: json, requestStream: false, responseStream: false }
    const Echo = { fullName: 'test.Echo', methods: { say } }
    const server = await listenUnix('s', (transport) => {
      serve(transport, [service(Echo, { say: ({ text }) => ({ text: text + '!' }) })])
    })
    const connection = connect(await connectUnix('s'))
    const client = createClient(Echo, connection)
    const big = 'x'.repeat(3_000_000)
    const answers = await Promise.all(['hi', big].map((text) => client.say({ text })))
    console.log(answers[0].text, answers[1].text.length)
    connection.close()
    console.log((await connection.closed).code)
    server.close()
  `
  expect(node(script)).toBe('hi! 3000001\nunavailable\n')
})

test('shim-client: starts a shim, and its errors are those of the one ttrpc', () => {
  writeFileSync(`${user}/shim`, '#!/bin/sh\ncat > /dev/null; printf "unix://$PWD/t"\n', { mode: 0o755 })
  const script = `
    import { serve, service, TtrpcError } from '@kata-ts/ttrpc'
    import { listenUnix } from '@kata-ts/ttrpc/node'
    import { connectTask, startShim, TaskDefinition } from '@kata-ts/shim-client'
    const server = await listenUnix('t', (transport) => {
      serve(transport, [service(TaskDefinition, {
        wait: ({ id }) => ({ exitStatus: id === 'c' ? 7 : 1 }),
        kill: () => { throw new TtrpcError('not_found', 'gone') },
      })])
    })
    const { address } = await startShim({ program: './shim', namespace: 'n', id: 'c', bundle: process.cwd() })
    const task = await connectTask(address, { namespace: 'n', id: 'c' })
    const error = await task.kill(9).catch((thrown) => thrown)
    console.log(await task.wait(), error instanceof TtrpcError, error.code)
    task.close()
    server.close()
  `
  expect(node(script)).toBe('7 true not_found\n')
})

test('sdk: imports and refuses with a code', () => {
  const script = `
    import { Sandbox, SandboxError } from '@kata-ts/sdk'
    const error = await Sandbox.create({ executable: '/no/such' }).catch((thrown) => thrown)
    console.log(error instanceof SandboxError, error.code)
  `
  expect(node(script)).toBe('true SDK_EXECUTABLE_MISSING\n')
})

test('sdk: one signal for many commands at a time is no leak to Node', () => {
  const answer = '{"exitCode":0,"errors":[],"warnings":[]}'
  const list = '[{"id":"box","status":"running","image":"","command":[],"createdAt":"","labels":{}}]'
  const run = `case "$3" in ps) echo '${list}';; exec) sleep 0.3;; esac; echo '${answer}' > "$2"`
  const script = `
    import { Sandbox } from '@kata-ts/sdk'
    const warnings = []
    process.on('warning', ({ message }) => warnings.push(message))
    const box = await Sandbox.attach('box', { executable: ['sh', '-c', ${JSON.stringify(run)}, 'sh'] })
    const { signal } = new AbortController()
    const all = await Promise.all(Array.from({ length: 12 }, () => box.exec(['true'], { signal })))
    console.log(all.length, warnings)
  `
  expect(node(script)).toBe('12 []\n')
})

test('their types are found, and refuse what is wrong', () => {
  const check = (text: string) => {
    writeFileSync(`${user}/use.ts`, text)
    const program = ts.createProgram([`${user}/use.ts`], {
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      strict: true,
      noEmit: true,
    })
    return ts
      .getPreEmitDiagnostics(program)
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))
  }
  const right = `
    import { Sandbox, SandboxError } from '@kata-ts/sdk'
    import { connectTask } from '@kata-ts/shim-client'
    import { type Transport, TtrpcError } from '@kata-ts/ttrpc'
    import { connectUnix } from '@kata-ts/ttrpc/node'
    await using box = await Sandbox.create({ memory: '256M' })
    const text: string = (await box.exec(['id'], { timeoutMs: 1 })).text
    const transport: Transport = await connectUnix('s')
    const task = await connectTask('s', { namespace: 'n', id: 'c', toError: (error: TtrpcError) => error })
    const code: number = await task.wait()
    export const all = [text, transport, code, new SandboxError('VMM_GUEST_SILENT', 'x').code === 'SDK_TIMED_OUT']
  `
  expect(check(right)).toEqual([])
  expect(
    check(`import { Sandbox } from '@kata-ts/sdk'\nawait Sandbox.create({ memry: 1 })\nexport {}`),
  ).toEqual([expect.stringContaining("'memry'")])
}, 60_000)

test('a package holds its own files alone', () => {
  const tops = (name: string) => readdirSync(`${user}/node_modules/@kata-ts/${name}/dist`).sort()
  expect(packages.map(({ name }) => [name, tops(name)])).toEqual([
    ['ttrpc', ['protobuf', 'ttrpc']],
    ['shim-client', ['json', 'protobuf', 'protocol', 'shim-client', 'time.d.ts', 'time.js']],
    ['sdk', ['json', 'sdk', 'time.d.ts', 'time.js']],
  ])
})

test('what a README links to is in its package, or has an address', () => {
  const links = packages.flatMap(({ name }) => {
    const directory = `${user}/node_modules/@kata-ts/${name}`
    const text = readFileSync(`${directory}/README.md`, 'utf8')
    return [...text.matchAll(/\]\(([^)#]+)/g)].map(([, link = '']) => ({ link, directory }))
  })
  expect(links.length).toBeGreaterThan(1)
  const isBroken = ({ link, directory }: { link: string; directory: string }) =>
    !link.startsWith('https://') && (link.startsWith('..') || !existsSync(`${directory}/${link}`))
  expect(links.filter(isBroken)).toEqual([])
})

test('they have one version, that of package.json, and ask for each other in it', () => {
  const described = (directory: string) => JSON.parse(readFileSync(`${directory}/package.json`, 'utf8'))
  for (const { name } of packages) {
    expect(described(join(root, 'packaging/npm', name))).not.toHaveProperty('version')
    expect(described(`${user}/node_modules/@kata-ts/${name}`)).toMatchObject({ version })
  }
  for (const one of packages) {
    buildPackage(one, `${base}/next`, { typed: false, version: '9.8.7' })
    const { version, dependencies = {} } = described(`${base}/next`)
    expect([one.name, version, dependencies]).toEqual([
      one.name,
      '9.8.7',
      one.name === 'shim-client' ? { '@kata-ts/ttrpc': '9.8.7' } : {},
    ])
  }
})
