package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// templates are the files of a new plugin's module, by their name there and the end .tmpl, which keeps the go command from reading them.
//
//go:embed template/*.tmpl
var templates embed.FS

// sdkModule is the module that a plugin imports.
const sdkModule = "github.com/vision19/vision"

// newPlugin is what the command line says of a plugin that is to be written.
type newPlugin struct {
	name   string
	dir    string
	module string
	sdk    string // a folder with the source of sdkModule, or ""
}

func (a *app) pluginNewCommand() *cobra.Command {
	p := &newPlugin{}
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a plugin that works: a Go module of its own with an endpoint, its tests, plugins.hcl and README",
		Args:  exactArgs(1, "NAME [--dir DIR] [--module PATH] [--sdk DIR]"),
		RunE: func(_ *cobra.Command, args []string) error {
			p.name = args[0]
			if err := p.write(); err != nil {
				return err
			}
			fmt.Print(p.nextCommands())
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVar(&p.dir, "dir", "", "the folder to write, `DIR` (default ./NAME)")
	flags.StringVar(&p.module, "module", "", "the new module's `PATH` (default example.com/NAME)")
	flags.StringVar(&p.sdk, "sdk", "", "`DIR` with the source of "+sdkModule+" (default: where this program was built)")
	return c
}

// The rules of names. An endpoint's name is the host's; the module path follows the go command's, which also refuses the names that
// Windows reserves.
var (
	pluginName   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	modulePath   = regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)
	reservedName = regexp.MustCompile(`(?i)(^|/)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.[^/]*)?(/|$)|\.(/|$)`)
)

// check completes what was left out and refuses what cannot work, before anything is written.
func (p *newPlugin) check() error {
	if !pluginName.MatchString(p.name) || reservedName.MatchString(p.name) {
		return &usageError{fmt.Errorf("%q cannot be an endpoint's name: 1 to 64 lower-case letters, digits and hyphens, not beginning with a hyphen and not a device of Windows, such as sky-painter", p.name)}
	}
	if p.module == "" {
		p.module = "example.com/" + p.name
	}
	if !modulePath.MatchString(p.module) || reservedName.MatchString(p.module) || p.module == sdkModule {
		return &usageError{fmt.Errorf("--module %q: a Go module path such as example.com/%s", p.module, p.name)}
	}
	if p.dir == "" {
		p.dir = p.name
	}
	p.dir = absolute(p.dir)
	entries, err := os.ReadDir(p.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &usageError{fmt.Errorf("cannot write to %s: %w", p.dir, err)}
	case len(entries) > 0:
		return &usageError{fmt.Errorf("%s is not empty: name another folder with --dir, or remove it", p.dir)}
	}
	return nil
}

// write makes the module.
func (p *newPlugin) write() error {
	if err := p.check(); err != nil {
		return err
	}
	files, err := p.moduleFiles()
	if err != nil {
		return err
	}
	title := strings.ReplaceAll(p.name, "-", " ")
	fill := strings.NewReplacer("{{name}}", p.name, "{{title}}", strings.ToUpper(title[:1])+title[1:], "{{sdk}}", p.sdkPlace())
	names, err := fs.Glob(templates, "template/*.tmpl")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := templates.ReadFile(name)
		if err != nil {
			return err
		}
		target := strings.TrimSuffix(filepath.Base(name), ".tmpl")
		if target == "gitignore" {
			target = "." + target
		}
		files[target] = fill.Replace(string(text))
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return fmt.Errorf("make the plugin's folder: %w", err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write the plugin: %w", err)
		}
	}
	return nil
}

// moduleFiles are go.mod and go.sum. They name every module that the SDK's own files name, at the same versions, so that nothing is left
// for `go mod tidy` and nothing needs a network. They are read, not built in: what the source has now is what will be compiled.
func (p *newPlugin) moduleFiles() (map[string]string, error) {
	if p.sdk == "" {
		p.sdk = findSDK()
	}
	if p.sdk == "" {
		info, ok := debug.ReadBuildInfo()
		if !ok || info.Main.Path != sdkModule || info.Main.Sum == "" { // the sum of a published version, which no build of a working tree has
			return nil, &usageError{fmt.Errorf("where is the source of %s? Neither this program nor the working folder is in it: name its folder with --sdk DIR", sdkModule)}
		}
		return map[string]string{"go.mod": goMod(p.module, info.Main.Version, "", requirements{golang: strings.TrimPrefix(info.GoVersion, "go")})}, nil
	}
	p.sdk = absolute(p.sdk)
	mod, err := os.ReadFile(filepath.Join(p.sdk, "go.mod"))
	if err != nil {
		return nil, &usageError{fmt.Errorf("--sdk %s: no source of %s: %w", p.sdk, sdkModule, err)}
	}
	r := readRequirements(string(mod))
	if r.module != sdkModule {
		return nil, &usageError{fmt.Errorf("--sdk %s: holds the module %s: name the folder of %s", p.sdk, r.module, sdkModule)}
	}
	sum, err := os.ReadFile(filepath.Join(p.sdk, "go.sum"))
	if err != nil {
		return nil, &usageError{fmt.Errorf("--sdk %s: %w", p.sdk, err)}
	}
	// With a replacement the version is a name only.
	return map[string]string{"go.mod": goMod(p.module, "v0.0.0", p.sdk, r), "go.sum": string(sum)}, nil
}

// requirements is what is needed of a go.mod.
type requirements struct {
	module, golang string
	lines          []string // "path version" each
}

// readRequirements reads a go.mod in the form that the go command writes.
func readRequirements(text string) requirements {
	var r requirements
	block := ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "//")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == ")":
			block = ""
		case len(fields) == 2 && fields[1] == "(":
			block = fields[0]
		case block == "require" && len(fields) == 2:
			r.lines = append(r.lines, strings.Join(fields, " "))
		case len(fields) == 3 && fields[0] == "require":
			r.lines = append(r.lines, strings.Join(fields[1:], " "))
		case len(fields) == 2 && fields[0] == "module":
			r.module = fields[1]
		case len(fields) == 2 && fields[0] == "go":
			r.golang = fields[1]
		}
	}
	return r
}

// goMod writes a go.mod; without a folder to replace it with, the SDK is the published version.
func goMod(module, version, folder string, r requirements) string {
	var b strings.Builder
	fmt.Fprintf(&b, "module %s\n\ngo %s\n\nrequire %s %s\n", module, r.golang, sdkModule, version)
	if folder != "" {
		if strings.ContainsAny(folder, " \t\"'`(){}[],") || strings.Contains(folder, "//") {
			folder = strconv.Quote(folder)
		}
		fmt.Fprintf(&b, "\nreplace %s => %s\n", sdkModule, folder)
	}
	if len(r.lines) > 0 {
		b.WriteString("\nrequire (\n")
		for _, line := range r.lines {
			fmt.Fprintf(&b, "\t%s // indirect\n", line)
		}
		b.WriteString(")\n")
	}
	return b.String()
}

// findSDK looks for the SDK's source around this program, and around the working folder.
func findSDK() string {
	var starts []string
	if path, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		starts = append(starts, filepath.Dir(path))
	}
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	for _, dir := range starts {
		for {
			if mod, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && readRequirements(string(mod)).module == sdkModule {
				return dir
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return ""
}

// sdkPlace says in words where the SDK comes from.
func (p *newPlugin) sdkPlace() string {
	if p.sdk == "" {
		return "its published version"
	}
	return "`" + p.sdk + "`"
}

// nextCommands are lines for a shell.
func (p *newPlugin) nextCommands() string {
	vision := "vision"
	self, err := os.Executable()
	if found, lookErr := exec.LookPath(vision); err == nil && (lookErr != nil || absolute(found) != self) {
		vision = shellWord(self)
	}
	tidy := ""
	if p.sdk == "" {
		tidy = "go mod tidy\n"
	}
	return fmt.Sprintf(`cd %[1]s
%[2]sgo build -o %[3]s . && go test ./...
%[4]s plugin test ./%[3]s
%[4]s generate %[3]s --prompt "a quiet morning" --output morning.png
`, shellWord(p.dir), tidy, p.name, vision)
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`)

// shellWord quotes a word for a POSIX shell, if it needs it.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
