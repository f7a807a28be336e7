/** Set-up is root: no package that it installs may run a script of its own. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dir, '..')

const names = ['preinstall', 'install', 'postinstall']
let directory: string
let project: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'install-scripts-'))
  project = `${directory}/project`
  const scripts = (whose: string) =>
    Object.fromEntries(names.map((name) => [name, `touch ${directory}/ran-${whose}-${name}`]))
  const write = (where: string, facts: object) => {
    mkdirSync(where)
    writeFileSync(`${where}/package.json`, JSON.stringify({ version: '1.0.0', ...facts }))
  }
  write(`${directory}/dependency`, { name: 'dependency', scripts: scripts('dependency') })
  npm(`${directory}/dependency`, 'pack', '--ignore-scripts', '--pack-destination', directory)
  const dependencies = { dependency: `file:${directory}/dependency-1.0.0.tgz` }
  write(project, { name: 'project', dependencies, scripts: scripts('project') })
  npm(project, 'install', '--package-lock-only', '--ignore-scripts')
}, 120_000)
afterAll(() => rmSync(directory, { recursive: true }))

function npm(where: string, ...args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(['npm', ...args, '--offline', '--no-audit', '--no-fund'], {
    cwd: where,
    env: { PATH: process.env.PATH ?? '', HOME: directory, npm_config_cache: `${directory}/cache` },
    stdin: 'ignore',
  })
  expect([exitCode, stderr.toString()]).toEqual([0, expect.any(String)])
}

/** Installs, as set-up does, a package with three install scripts into a project that has them, too; each leaves a file. */
function scriptsThatRan(npmrc: string | undefined): string[] {
  rmSync(`${project}/.npmrc`, { force: true })
  if (npmrc !== undefined) copyFileSync(npmrc, `${project}/.npmrc`)
  npm(project, 'ci')
  expect(existsSync(`${project}/node_modules/dependency/package.json`)).toBe(true)
  const ran = ['dependency', 'project'].flatMap((whose) => names.map((name) => `ran-${whose}-${name}`))
  return ran.filter((name) => existsSync(`${directory}/${name}`))
}

test('with the settings of this repository `npm ci` runs no script of any package', () => {
  expect(scriptsThatRan(`${root}/.npmrc`)).toEqual([])
}, 120_000)

test('control: without them it runs every one', () => {
  expect(scriptsThatRan(undefined).length).toBe(6)
}, 120_000)

test('nothing of set-up asks npm for scripts after all', () => {
  const sources = ['setup/bootstrap.sh', 'package.json', '.npmrc'].map((name) =>
    readFileSync(`${root}/${name}`, 'utf8'),
  )
  expect(sources.join('\n')).not.toMatch(/ignore-scripts[ =]*false|npm rebuild|foreground-scripts/)
})
