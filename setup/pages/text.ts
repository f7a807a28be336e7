/** What generated files and the screens of set-up share. */

/** What stands in a generated file about where it comes from. */
export const generated = (source: string) => `Generated from ${source} by \`npm run docs\`: change it there.`

/** The text in lines of at most `width` characters, longer words apart. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
