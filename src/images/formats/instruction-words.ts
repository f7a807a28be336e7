/** Words of a Dockerfile's instructions: quotes and backslashes, and the variables of the environment. Pure. */

/** The values of variables by their names; undefined: there is none of that name. */
export type Variables = (name: string) => string | undefined

/** A text that has no meaning. The caller says of which instruction. */
export class WordError extends Error {}

/** Words, in which quotes keep spaces. What a backslash stands before is itself. */
const words = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs

/** `NAME=value OTHER="two words"`, or as of old `NAME value`. @throws WordError. */
export function pairs(value: string, variables: Variables): (readonly [string, string])[] {
  const needed = () => new WordError('it needs NAME=VALUE')
  const given = value.match(words) ?? []
  if (!given[0]?.includes('=')) {
    const [, name, content = ''] = /^(\S+)\s+(.*)$/s.exec(value) ?? []
    if (name === undefined) throw needed()
    return [[expanded(name, variables), expanded(content, variables)]]
  }
  if (value.replace(words, '').trim() !== '') throw new WordError('a quote in it has no end')
  return given.map((one) => {
    const [, name = '', content = ''] = /^([^=]+)=(.*)$/s.exec(one) ?? []
    if (name === '') throw needed()
    return [expanded(name, variables), expanded(content, variables)] as const
  })
}

/** `$NAME`, `${NAME}`, `${NAME:-if empty}` and `${NAME:+if not}`; the last alternative is any other form. */
const variable =
  /\$\{(?<braced>[A-Za-z_]\w*)(?::(?<sign>[-+])(?<other>[^{}$]*))?\}|\$(?<bare>[A-Za-z_]\w*)|\$\{/
const piece = new RegExp(
  `\\\\(?<escaped>.)|"(?<double>(?:[^"\\\\]|\\\\.)*)"|'(?<single>[^']*)'|${variable.source}`,
  'gs',
)
const inDoubleQuotes = new RegExp(`\\\\(?<escaped>["\\\\$])|${variable.source}`, 'gs')

/** Characters that quotes and variables of one text may become: no text of an image is longer. */
const mostExpanded = 128 * 1024

/** The text without quotes, with the values of its variables. A variable that is not there is empty. @throws WordError. */
export function expanded(text: string, variables: Variables): string {
  return replaced(text, piece, variables)
}

function replaced(text: string, pattern: RegExp, variables: Variables): string {
  let length = 0
  return text.replace(pattern, (...match) => {
    const groups: Readonly<Record<string, string | undefined>> = match.at(-1)
    const { escaped, single, double } = groups
    const made =
      double === undefined
        ? (escaped ?? single ?? valueOfVariable(groups, variables))
        : replaced(double, inDoubleQuotes, variables)
    length += made.length
    if (length > mostExpanded) throw new WordError(`its variables make more than ${mostExpanded} characters`)
    return made
  })
}

function valueOfVariable(
  { braced, bare, sign, other = '' }: Readonly<Record<string, string | undefined>>,
  variables: Variables,
): string {
  const name = braced ?? bare
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what a person may write.
  if (name === undefined) throw new WordError('a variable is $NAME, ${NAME}, ${NAME:-WORD} or ${NAME:+WORD}')
  const value = variables(name) ?? ''
  if (sign === '+') return value === '' ? '' : other
  return value === '' ? other : value
}
