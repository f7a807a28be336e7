import { expect, test } from 'bun:test'
import { errorsPage } from './errors-page.ts'

const entries = () => ({
  THING_LOST: {
    status: 'not_found' as const,
    sentence: 'thing {"name"} of {owner} is lost <here>',
    remedy: 'Find it with `find {name}`, or ask {owner}.',
  },
})

test('placeholders are emphasised in sentences, and plain in commands', () => {
  const page = errorsPage([{ title: 'Things', about: 'Lost ones.', entries }])
  expect(page).toContain('thing "*{name}*" of *{owner}* is lost \\<here>.')
  expect(page).toContain('- What to do: Find it with `find {name}`, or ask *{owner}*.')
})
