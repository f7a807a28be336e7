/** What generated files and the screens of set-up share. */

/** The remark in a generated file that says where it comes from. */
export const generated = (source: string) => `Generated from ${source} by \`npm run docs\`: change it there.`

/** The text in lines of at most `width` characters, broken at spaces. A longer word stays whole. */
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
