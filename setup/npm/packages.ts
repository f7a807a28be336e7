/** The npm packages, made of folders of src: compiled for Node, with types, ready for `npm pack`. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { version as packageVersion } from '../../src/version.ts'
import { buildDir, root } from '../paths.ts'
import { SetupError } from '../setup-error.ts'

export interface NpmPackage {
  /** Its directory below packaging/npm. */
  readonly name: string
  /** Modules that others import, below src. */
  readonly entries: readonly string[]
  /** Modules of another package, which is imported by its name. */
  readonly others: Readonly<Record<string, string>>
}

export const packages: readonly NpmPackage[] = [
  { name: 'ttrpc', entries: ['ttrpc/ttrpc.ts', 'ttrpc/node.ts'], others: {} },
  {
    name: 'shim-client',
    entries: ['shim-client/shim-client.ts'],
    others: { 'ttrpc/ttrpc': '@kata-ts/ttrpc', 'ttrpc/node': '@kata-ts/ttrpc/node' },
  },
  { name: 'sdk', entries: ['sdk/sdk.ts'], others: {} },
]

/** What Node 20 runs. */
const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  // Without those of Bun: what only Bun has does not compile.
  types: ['node'],
  typeRoots: [join(root, 'node_modules/@types')],
  rootDir: join(root, 'src'),
  rewriteRelativeImportExtensions: true,
  declaration: true,
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  verbatimModuleSyntax: true,
  skipLibCheck: true,
}

/** Neither checked nor declared, for tests that only run it. */
const untyped: ts.CompilerOptions = { noCheck: true, noLib: true, types: [], declaration: false }

/** Makes the package in an empty `directory`. All have one version, by which they ask for each other. @throws SetupError with what the compiler says. */
export function buildPackage(
  { name, entries, others }: NpmPackage,
  directory: string,
  { typed = true, version = packageVersion } = {},
): void {
  rmSync(directory, { recursive: true, force: true })
  const source = join(root, 'packaging/npm', name)
  const dist = join(directory, 'dist')
  const program = ts.createProgram(
    entries.map((entry) => join(root, 'src', entry)),
    { ...options, ...(typed ? {} : untyped), outDir: dist },
  )
  const { diagnostics } = program.emit(undefined, (path, text) => write(path, text, { dist, others }))
  const errors = typed ? [...ts.getPreEmitDiagnostics(program), ...diagnostics] : []
  if (errors.length > 0)
    throw new SetupError(
      `the npm package ${name} does not compile: ${describe(errors)}`,
      'See `npm run check`.',
    )
  cpSync(join(root, 'LICENSE'), join(directory, 'LICENSE'))
  cpSync(join(source, 'README.md'), join(directory, 'README.md'))
  if (existsSync(join(source, 'examples')))
    cpSync(join(source, 'examples'), join(directory, 'examples'), { recursive: true })
  const { name: fullName, ...described } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
  const dependencies = Object.fromEntries(packagesOf(others).map((other) => [other, version]))
  const whole = { name: fullName, version, ...described, dependencies }
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(whole, null, 2)}\n`)
}

/** `@kata-ts/ttrpc` of `@kata-ts/ttrpc/node`. */
const packagesOf = (others: NpmPackage['others']): string[] =>
  Object.values(others).map((module) => module.split('/').slice(0, 2).join('/'))

const describe = (errors: readonly ts.Diagnostic[]) =>
  ts.formatDiagnostics(errors, {
    getCanonicalFileName: (path) => path,
    getCurrentDirectory: () => root,
    getNewLine: () => '\n',
  })

/** Leaves out what belongs to another package, and imports it by that package's name. */
function write(
  path: string,
  text: string,
  { dist, others }: { dist: string; others: NpmPackage['others'] },
): void {
  const foreign = Object.keys(others).map((module) => `${dirname(module)}/`)
  const place = path.slice(dist.length + 1)
  if (foreign.some((folder) => place.startsWith(folder))) return
  mkdirSync(dirname(path), { recursive: true })
  // The compiler leaves the extensions in declarations as they are.
  const named = text.replace(
    /((?:from |import\()['"])(\.[^'"]*?)\.[jt]s(?=['"])/g,
    (whole: string, front: string, module: string) => {
      const other = others[module.replace(/^(\.\.?\/)+/, '')]
      if (other !== undefined) return `${front}${other}`
      return whole.endsWith('.ts') ? `${front}${module}.js` : whole
    },
  )
  writeFileSync(path, named)
}

if (import.meta.main) for (const one of packages) buildPackage(one, join(buildDir, 'npm', one.name))
