package arena

import (
	"fmt"
	"io"
	"strings"
)

// The plot's sizes, in pixels.
const (
	plotColumns = 5
	panelWidth  = 200
	panelHeight = 92
	gapX, gapY  = 44, 52
	marginTop   = 108
	margin      = 48
	plotTop     = 1.4 // the weight at a panel's upper edge; v2 pays up to 1.35
)

// line is how one way of judging is drawn.
type line struct{ name, colour, dash, width string }

var (
	mainLine = line{"with references", "#1b5fc1", "", "2"}
	offLine  = line{"without references", "#2a9d6f", "5 3", "1.5"}
	v2Line   = line{"preset v2", "#b3762b", "", "1"}
	barLine  = line{"bar", "#c62f2f", "2 3", "1.2"}
)

// Plot writes an SVG: a panel for each strategy with its weight by period, 1 being that of an honest miner.
func (r Report) Plot(w io.Writer) error {
	var b strings.Builder
	rows := (len(r.Strategies) + plotColumns - 1) / plotColumns
	width := 2*margin + plotColumns*panelWidth + (plotColumns-1)*gapX
	height := marginTop + rows*(panelHeight+gapY)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="11" fill="#333">`,
		width, height)
	fmt.Fprintf(&b, "\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", width, height)
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"30\" font-size=\"17\" font-weight=\"bold\" fill=\"#111\">Weight of each strategy, relative to an honest miner</text>\n", margin)
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"50\">%d miners, %d periods, mean of %d seeds. The number is the mean over the last quarter.</text>\n",
		margin, r.Miners, r.Periods, r.Seeds)
	r.legend(&b)
	for i, row := range r.Strategies {
		x, y := margin+i%plotColumns*(panelWidth+gapX), marginTop+i/plotColumns*(panelHeight+gapY)
		r.panel(&b, row, x, y, i/plotColumns == rows-1 || i+plotColumns >= len(r.Strategies))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// legend names the lines.
func (r Report) legend(b *strings.Builder) {
	lines := []line{mainLine, offLine, v2Line, barLine}
	if r.References == Off {
		lines[0].name = "without references"
	}
	if r.References != Both {
		lines = append(lines[:1], lines[2:]...)
	}
	x := margin
	for _, l := range lines {
		fmt.Fprintf(b, "<path d=\"M%d 66h26\" %s/><text x=\"%d\" y=\"70\">%s</text>\n", x, l.style(), x+32, l.name)
		x += 60 + 7*len(l.name)
	}
}

func (l line) style() string {
	style := fmt.Sprintf(`fill="none" stroke="%s" stroke-width="%s" stroke-linejoin="round"`, l.colour, l.width)
	if l.dash != "" {
		style += fmt.Sprintf(` stroke-dasharray="%s"`, l.dash)
	}
	return style
}

// panel draws one strategy with the left upper corner of its axes at x, y.
func (r Report) panel(b *strings.Builder, row Row, x, y int, last bool) {
	at := func(weight float64) float64 {
		return float64(y) + panelHeight*(1-max(0, min(weight, plotTop))/plotTop)
	}
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" font-size=\"12\" fill=\"#111\">%s</text>", x, y-6, row.Name)
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" font-size=\"12\" text-anchor=\"end\" fill=\"%s\">%.3f</text>\n", x+panelWidth, y-6, mainLine.colour, row.Weight)
	for _, grid := range []float64{0, 0.5, 1} {
		fmt.Fprintf(b, "<path d=\"M%d %.1fh%d\" stroke=\"#e3e3e3\"/><text x=\"%d\" y=\"%.1f\" font-size=\"9\" text-anchor=\"end\" fill=\"#888\">%.1f</text>\n",
			x, at(grid), panelWidth, x-5, at(grid)+3, grid)
	}
	if row.Bar != nil {
		fmt.Fprintf(b, "<path d=\"M%d %.1fh%d\" %s/>\n", x, at(*row.Bar), panelWidth, barLine.style())
	}
	for _, drawn := range []struct {
		result *Result
		line   line
	}{{row.V2, v2Line}, {row.ReferencesOff, offLine}, {&row.Result, mainLine}} {
		if drawn.result == nil {
			continue
		}
		for p, weight := range drawn.result.course {
			mark := "L"
			if p == 0 {
				mark = `<path d="M`
			}
			fmt.Fprintf(b, "%s%.1f %.1f", mark, float64(x)+float64(panelWidth*p)/float64(max(r.Periods-1, 1)), at(weight))
		}
		fmt.Fprintf(b, "\" %s/>\n", drawn.line.style())
	}
	if last {
		fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" font-size=\"9\" fill=\"#888\">period 1</text><text x=\"%d\" y=\"%[2]d\" font-size=\"9\" text-anchor=\"end\" fill=\"#888\">%[4]d</text>\n",
			x, y+panelHeight+13, x+panelWidth, r.Periods)
	}
}
