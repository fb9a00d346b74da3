package config

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// WriteDiagnostics prints every diagnostic as "file:line:column: error: summary", so that editors find the place, with the source line
// below it and what would be right.
func (c *Config) WriteDiagnostics(w io.Writer, diags hcl.Diagnostics) error {
	var out strings.Builder
	for _, d := range sorted(diags) {
		kind := "error"
		if d.Severity == hcl.DiagWarning {
			kind = "warning"
		}
		if d.Subject != nil {
			fmt.Fprintf(&out, "%s: ", Place(*d.Subject))
		}
		fmt.Fprintf(&out, "%s: %s\n", kind, d.Summary)
		if d.Subject != nil {
			out.WriteString(c.snippet(*d.Subject))
		}
		if d.Detail != "" {
			fmt.Fprintf(&out, "  %s\n", strings.ReplaceAll(d.Detail, "\n", "\n  "))
		}
		out.WriteByte('\n')
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// sorted puts the diagnostics in the order of the files' lines.
func sorted(diags hcl.Diagnostics) hcl.Diagnostics {
	out := slices.Clone(diags)
	slices.SortStableFunc(out, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return cmp.Compare(bit(a.Subject == nil), bit(b.Subject == nil))
		}
		return cmp.Or(strings.Compare(a.Subject.Filename, b.Subject.Filename), cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte))
	})
	return out
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Place is "file:line:column".
func Place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d:%d", r.Filename, r.Start.Line, r.Start.Column)
}

// snippet is the first source line of a range, with the range marked.
func (c *Config) snippet(r hcl.Range) string {
	file, ok := c.parser.Files()[r.Filename]
	if !ok {
		return ""
	}
	lines := bytes.Split(file.Bytes, []byte("\n"))
	if r.Start.Line < 1 || r.Start.Line > len(lines) {
		return ""
	}
	line := strings.TrimRight(strings.ReplaceAll(string(lines[r.Start.Line-1]), "\t", " "), "\r ")
	length := 1
	if r.End.Line == r.Start.Line {
		length = max(1, r.End.Column-r.Start.Column)
	}
	indent := max(0, r.Start.Column-1)
	margin := strings.Repeat(" ", len(fmt.Sprint(r.Start.Line)))
	return fmt.Sprintf("  %d | %s\n  %s | %s%s\n", r.Start.Line, line, margin, strings.Repeat(" ", indent), strings.Repeat("^", length))
}
