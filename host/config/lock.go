package config

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Source is the text of a file that Load has read and could parse; nil for another.
func (c *Config) Source(file string) []byte {
	if f, ok := c.parser.Files()[file]; ok {
		return f.Bytes
	}
	return nil
}

// Lock returns a file's source with sha256 = "..." in the block of every plugin that digests names, its SHA-256 as 64 lower-case
// hexadecimal digits. A pin that is there is renewed, a new one comes after binary and looks like it; every other byte stays as it is,
// and so does the whole source when all pins hold. The error names what the file lacks, with its place.
func Lock(source []byte, file string, digests map[string]string) ([]byte, error) {
	f, diags := hclsyntax.ParseConfig(source, file, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	tokens, diags := hclsyntax.LexConfig(source, file, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	var edits []edit
	found := map[string]bool{}
	for _, block := range pluginBlocks(f) {
		name := block.Labels[0]
		digest, wanted := digests[name]
		if !wanted {
			continue
		}
		found[name] = true
		if raw, err := hex.DecodeString(digest); err != nil || len(raw) != 32 {
			return nil, fmt.Errorf("%q is no SHA-256 of plugin %s", digest, name)
		}
		e, err := pin(source, tokens, block, digest)
		if err != nil {
			return nil, err
		}
		edits = append(edits, e...)
	}
	for name := range digests {
		if !found[name] {
			return nil, fmt.Errorf("%s declares no plugin %s", file, name)
		}
	}
	out := apply(source, edits)
	return out, checkPins(out, file, digests)
}

// edit replaces the bytes from start to end.
type edit struct {
	start, end int
	text       string
}

func apply(source []byte, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return a.start - b.start })
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(source[at:e.start])
		out.WriteString(e.text)
		at = e.end
	}
	out.Write(source[at:])
	return out.Bytes()
}

// pluginBlocks are the file's plugin blocks that have a name.
func pluginBlocks(f *hcl.File) []*hclsyntax.Block {
	var out []*hclsyntax.Block
	for _, block := range f.Body.(*hclsyntax.Body).Blocks { // hclsyntax makes no other
		if block.Type == "plugin" && len(block.Labels) == 1 {
			out = append(out, block)
		}
	}
	return out
}

// pinned is the literal of a block's sha256, "" when there is none.
func pinned(block *hclsyntax.Block) string {
	attr, ok := block.Body.Attributes["sha256"]
	if !ok {
		return ""
	}
	value, diags := attr.Expr.Value(nil)
	if diags.HasErrors() || !value.IsKnown() || value.IsNull() || value.Type() != cty.String {
		return ""
	}
	return value.AsString()
}

// pin makes the edits of one block. hclwrite would add a new attribute at the block's end, behind its config.
func pin(source []byte, tokens hclsyntax.Tokens, block *hclsyntax.Block, digest string) ([]edit, error) {
	if strings.EqualFold(pinned(block), digest) {
		return nil, nil
	}
	quoted := `"` + digest + `"`
	if old, ok := block.Body.Attributes["sha256"]; ok {
		at := old.Expr.Range()
		return []edit{{at.Start.Byte, at.End.Byte, quoted}}, nil
	}
	binary, ok := block.Body.Attributes["binary"]
	if !ok {
		return nil, fmt.Errorf("%s: plugin %s has no binary to pin", Place(block.DefRange()), block.Labels[0])
	}
	value := binary.Expr.Range()
	equals := string(source[binary.NameRange.End.Byte:value.Start.Byte]) // as many letters as sha256: what aligns the one aligns the other
	if strings.TrimSpace(equals) != "=" {
		equals = " = " // a comment stands there
	}
	line := "sha256" + equals + quoted
	if end, eol, ok := lineEnd(tokens, value.End.Byte); ok {
		return []edit{{end, end, indentation(source, binary.NameRange.Start.Byte) + line + eol}}, nil
	}
	return oneLine(source, block, line), nil
}

// lineEnd finds where the line of an attribute's value ends, behind its comment, and how; not ok when the block ends there.
func lineEnd(tokens hclsyntax.Tokens, after int) (end int, eol string, ok bool) {
	for _, t := range tokens {
		if t.Range.Start.Byte < after {
			continue
		}
		switch {
		case t.Type == hclsyntax.TokenCBrace:
			return 0, "", false
		case bytes.HasSuffix(t.Bytes, []byte("\r\n")):
			return t.Range.End.Byte, "\r\n", true
		case bytes.HasSuffix(t.Bytes, []byte("\n")):
			return t.Range.End.Byte, "\n", true
		}
	}
	return 0, "", false
}

// indentation is the white space before the line's first character.
func indentation(source []byte, at int) string {
	line := source[bytes.LastIndexByte(source[:at], '\n')+1 : at]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// oneLine writes a block of one line, which may hold only one attribute, on several.
func oneLine(source []byte, block *hclsyntax.Block, line string) []edit {
	eol := "\n"
	if bytes.Contains(source, []byte("\r\n")) {
		eol = "\r\n"
	}
	start, end := block.OpenBraceRange.End.Byte, block.CloseBraceRange.Start.Byte
	outer := eol + indentation(source, block.TypeRange.Start.Byte)
	inner := outer + "  "
	return []edit{{start, end, inner + string(bytes.TrimSpace(source[start:end])) + inner + line + outer}}
}

// checkPins reads what is going to be written: a file must never be worse than before.
func checkPins(source []byte, file string, digests map[string]string) error {
	f, diags := hclsyntax.ParseConfig(source, file, hcl.InitialPos)
	if diags.HasErrors() {
		return fmt.Errorf("%s cannot be pinned as it is written, add sha256 by hand: %w", file, diags)
	}
	for _, block := range pluginBlocks(f) {
		if digest, wanted := digests[block.Labels[0]]; wanted && !strings.EqualFold(pinned(block), digest) {
			return fmt.Errorf("%s: plugin %s cannot be pinned as it is written, add sha256 = %q by hand", Place(block.DefRange()), block.Labels[0], digest)
		}
	}
	return nil
}
