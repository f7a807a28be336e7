/** Pages of the npm packages, made of the exports of their sources: declarations without their bodies, and docstrings. */
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'
import { root } from '../paths.ts'
import { generated } from './text.ts'

export interface ApiPage {
  /** The package's name. */
  readonly title: string
  /** What it is, for the first lines of the page. */
  readonly about: string
  /** Specifier of an import, and its module below src. */
  readonly modules: Readonly<Record<string, string>>
}

export const apiPages: Readonly<Record<string, ApiPage>> = {
  'docs/api/sdk.md': {
    title: '@kata-ts/sdk',
    about: '[sdk.md](../how-to/sdk.md) shows how to use it.',
    modules: { '@kata-ts/sdk': 'sdk/sdk.ts' },
  },
  'docs/api/shim-client.md': {
    title: '@kata-ts/shim-client',
    about:
      'Starts a shim of version 2, and calls its Task service. The messages are generated from containerd’s.',
    modules: { '@kata-ts/shim-client': 'shim-client/shim-client.ts' },
  },
  'docs/api/ttrpc.md': {
    title: '@kata-ts/ttrpc',
    about: 'Client and server of ttrpc.',
    modules: { '@kata-ts/ttrpc': 'ttrpc/ttrpc.ts', '@kata-ts/ttrpc/node': 'ttrpc/node.ts' },
  },
}

export function apiPage({ title, about, modules }: ApiPage): string {
  const sections = Object.entries(modules).map(([specifier, module]) => section(specifier, module))
  return `# ${title}\n\n<!-- ${generated('the docstrings of src/')} -->\n\n${about}\n\n${sections.join('\n')}`
}

interface Exported {
  readonly name: string
  readonly declaration: ts.Statement
  readonly file: ts.SourceFile
}

function section(specifier: string, module: string): string {
  const exported = exportsOf(module).sort((a, b) => (a.name < b.name ? -1 : 1))
  return `## \`${specifier}\`\n\n${exported.map(entry).join('\n')}`
}

function parse(module: string): ts.SourceFile {
  const path = join(root, 'src', module)
  return ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)
}

/** What a module exports, from where it is declared. Generated code is named by its package's page only. */
function exportsOf(module: string): Exported[] {
  const file = parse(module)
  return file.statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement)) {
      const name = isExported(statement) ? nameOf(statement) : undefined
      return name === undefined ? [] : [{ name, declaration: statement, file }]
    }
    const from = statement.moduleSpecifier
    if (from === undefined || !ts.isStringLiteral(from) || from.text.includes('/generated/')) return []
    const wanted = ts.isNamedExports(statement.exportClause!)
      ? statement.exportClause.elements.map(({ name }) => name.text)
      : []
    const found = exportsOf(normalize(join(dirname(module), from.text)))
    return found.filter(({ name }) => wanted.includes(name))
  })
}

const isExported = (node: ts.Statement) =>
  ts.canHaveModifiers(node) &&
  ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true

function nameOf(node: ts.Statement): string | undefined {
  if (ts.isVariableStatement(node)) return node.declarationList.declarations[0]?.name.getText()
  const { name } = node as { name?: ts.Identifier }
  return name?.text
}

function entry({ name, declaration, file }: Exported): string {
  return `### ${name}\n\n${prose(docOf(declaration))}\`\`\`ts\n${signature(declaration, file)}\n\`\`\`\n`
}

/** The docstring without its stars. */
function docOf(node: ts.Node): string {
  const [doc] = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc)
  return (doc?.getText() ?? '')
    .replace(/^\/\*\*\s*|\s*\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim()
}

function prose(doc: string): string {
  const text = doc
    .replace(/\{@link ([^}]+)\}/g, '`$1`')
    .replace(/\s*@throws\s+/g, '\n\nThrows: ')
    .trim()
  return text === '' ? '' : `${text}\n\n`
}

/** As in a declaration file: no bodies, no private members, the docstrings of members as they are. */
function signature(node: ts.Statement, file: ts.SourceFile): string {
  const own = (text: string) => text.replace(/^export /, '')
  if (ts.isFunctionDeclaration(node)) return own(withoutBody(node, node.body))
  if (ts.isVariableStatement(node)) return own(shortened(node.getText()))
  if (!ts.isClassDeclaration(node)) return own(node.getText())
  const start = node.getStart()
  const head = file.text.slice(start, node.members.pos).trimEnd()
  const members = node.members.filter(isPublic).map((member) => {
    const doc = ts.getJSDocCommentsAndTags(member).find(ts.isJSDoc)?.getText()
    const body = (member as { body?: ts.Block }).body
    const text = withoutBody(member, body).replace(/\basync (?=[\w[])/, '')
    return `${doc === undefined ? '' : `  ${doc}\n`}  ${text}`
  })
  return own(`${head}\n${members.join('\n')}\n}`)
}

const withoutBody = (node: ts.Node, body: ts.Node | undefined): string =>
  body === undefined
    ? node.getText()
    : node.getSourceFile().text.slice(node.getStart(), body.getStart()).trimEnd()

/** A table is shown by its type, not by its rows. */
const shortened = (text: string): string =>
  text.length > 800 ? `${text.slice(0, text.indexOf('=')).trim()}` : text

function isPublic(member: ts.ClassElement): boolean {
  if (member.name !== undefined && ts.isPrivateIdentifier(member.name)) return false
  const modifiers = ts.canHaveModifiers(member) ? ts.getModifiers(member) : undefined
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) !== true
}
