/**
 * Plots as SVG text: the same figures make the same bytes. Their colours can be read on white and on a dark page, whatever the reader's
 * browser or site has chosen, so one file serves both.
 */
import { BarChart } from 'echarts/charts'
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components'
import { type EChartsCoreOption, init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

use([BarChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

export const textColour = '#737c86'
/** In the order in which series take them. */
export const colours = ['#3b82f6', '#d9730d', '#2f9e55', '#a371f7', '#e5534b', '#8a8f98']

const width = 760
/** The width of a letter at 12 px in a wide font: readers have other fonts than we can measure. */
const letterWidth = 7.2
const lineHeight = 15
const barHeight = 30
/** Above the bars: title, and legend where there is one. */
const headHeight = 40
const legendHeight = 24
/** Below them: the axis. */
const footHeight = 28

interface Plot {
  readonly title: string
  /** Behind each number of the axis. */
  readonly unit: string
}

export interface Series {
  readonly name: string
  /** One for each row, or none where there is no such thing. */
  readonly values: readonly (number | undefined)[]
  /** What stands behind each bar; the value itself when absent. */
  readonly labels?: readonly (string | undefined)[]
}

/** Horizontal bars: a row for each name, with one bar of each series side by side or, when `stacked`, behind each other. */
export function bars(
  plot: Plot & {
    readonly rows: readonly string[]
    readonly series: readonly Series[]
    readonly stacked?: boolean
  },
): string {
  const { title, unit, rows, series, stacked = false } = plot
  const perRow = stacked ? barHeight : Math.max(barHeight, series.length * 20 + 8)
  const totals = rows.map((_, row) => series.reduce((sum, { values }) => sum + (values[row] ?? 0), 0))
  return draw({
    title,
    unit,
    rows,
    bodyHeight: rows.length * perRow,
    legend: series.length > 1 ? series.map(({ name }) => name) : [],
    series: series.map(({ name, values, labels }, index) => ({
      ...bar(name, values),
      ...(stacked && { stack: 'all' }),
      ...(!stacked && { label: label(values.map((value, row) => labels?.[row] ?? said(value, unit))) }),
      // The last one carries the sum.
      ...(stacked &&
        index === series.length - 1 && { label: label(totals.map((total) => said(total, unit))) }),
    })),
  })
}

/** What happened when: a row for each step, with a bar from its begin to its end. */
export function strip(
  plot: Plot & {
    readonly steps: readonly { readonly name: string; readonly at: number; readonly takes: number }[]
  },
): string {
  const { title, unit, steps } = plot
  return draw({
    title,
    unit,
    rows: steps.map(({ name }) => name),
    legend: [],
    bodyHeight: steps.length * 24,
    series: [
      // Not seen: it holds the bars up.
      {
        ...bar(
          'begins',
          steps.map(({ at }) => at),
        ),
        stack: 'all',
        itemStyle: { opacity: 0 },
      },
      {
        ...bar(
          'takes',
          steps.map(({ takes }) => takes),
        ),
        stack: 'all',
        itemStyle: { color: colours[0] },
        // A step too short to see is there all the same.
        barMinHeight: 1,
        label: label(steps.map(({ takes }) => said(takes, unit))),
      },
    ],
  })
}

function bar(name: string, values: readonly (number | undefined)[]) {
  return {
    type: 'bar',
    name,
    silent: true,
    barMaxWidth: 18,
    barCategoryGap: '30%',
    data: values.map((value) => value ?? null),
  }
}

const label = (texts: readonly string[]) => ({
  show: true,
  position: 'right',
  color: textColour,
  formatter: ({ dataIndex }: { dataIndex: number }) => texts[dataIndex] ?? '',
})

function said(value: number | undefined, unit: string): string {
  if (value === undefined) return ''
  return `${value >= 100 ? Math.round(value) : value} ${unit}`
}

function draw(plot: {
  readonly title: string
  readonly unit: string
  readonly rows: readonly string[]
  readonly bodyHeight: number
  readonly legend: readonly string[]
  readonly series: readonly object[]
}): string {
  const { title, unit, rows, bodyHeight, legend, series } = plot
  const legendWidth = legend.reduce((sum, name) => sum + letterWidth * name.length + 40, 0)
  const legendLines = Math.ceil(legendWidth / width)
  const top = headHeight + legendLines * legendHeight
  const chart = init(null, null, {
    renderer: 'svg',
    ssr: true,
    width,
    height: top + bodyHeight + footHeight,
  })
  const text = { color: textColour, fontFamily: 'sans-serif' }
  const option: EChartsCoreOption = {
    animation: false,
    color: colours,
    title: { text: title, left: 0, top: 4, textStyle: { ...text, fontSize: 15, fontWeight: 'bold' } },
    ...(legend.length > 0 && {
      legend: {
        data: legend,
        left: 0,
        top: headHeight - 8,
        itemHeight: 10,
        itemWidth: 10,
        itemGap: 24,
        width: width - 160,
        textStyle: text,
        silent: true,
      },
    }),
    grid: {
      top,
      bottom: footHeight,
      outerBoundsMode: 'none',
      left: 18 + Math.ceil(letterWidth * Math.max(...rows.map((row) => row.length))),
      // Room for what stands behind the longest bar.
      right: 130,
    },
    xAxis: {
      type: 'value',
      axisLabel: { ...text, formatter: `{value} ${unit}` },
      splitNumber: 4,
      splitLine: { lineStyle: { color: textColour, opacity: 0.25 } },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: rows,
      axisLabel: { ...text, lineHeight },
      axisTick: { show: false },
      axisLine: { lineStyle: { color: textColour } },
    },
    series,
  }
  chart.setOption(option)
  const svg = chart.renderToSVGString()
  chart.dispose()
  return plain(svg, title)
}

/** Without what is for scripts and pointers and cannot be seen, and numbers its classes by how many plots were drawn before; with the title for screen readers. */
function plain(svg: string, title: string): string {
  const text = title.replace(/[&<>]/g, (mark) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[mark]!)
  return `${svg
    .replace(/<style\s*>.*?<\/style>\s*/s, '')
    .replace(/<path [^>]*(fill-opacity="0"|fill="none" pointer-events="visible" ecmeta)[^>]*><\/path>\n/g, '')
    .replace(/ (class|pointer-events|ecmeta_[a-z_]+)="[^"]*"/g, '')
    .replace(/^<svg [^>]*>/, (head) => `${head}\n<title>${text}</title>`)
    .trim()}\n`
}
