package main_test

import (
	"fmt"
	"image/color"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host/internal/plugintest"
)

// repl runs a script through `vision plugin repl` and returns what it prints.
func (u *user) repl(t testing.TB, target, script string) string {
	t.Helper()
	p := u.replProcess(t, target, strings.NewReader(script))
	if code := p.end(t, 30*time.Second); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, &p.stdout, &p.stderr)
	}
	if left, err := os.ReadDir(u.runtime); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	return p.stdout.String()
}

// replProcess starts a session; the test's end waits for it.
func (u *user) replProcess(t testing.TB, target string, script io.Reader) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, "plugin", "repl", target, "--state", u.state), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = u.dir, script, &p.stdout, &p.stderr
	p.cmd.Env = append(append(os.Environ(), "XDG_RUNTIME_DIR="+u.runtime), u.env...)
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the exit code says it
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

const ready = "configure\nload\n"

func TestRepl_answers_every_command_and_survives_every_error(t *testing.T) {
	hcl := echo(t, "")
	for _, c := range []struct {
		name, script string
		want         []string // regular expressions, found in this order
	}{
		{"greeting", "", []string{`^echo 1\.0\.0, endpoint echo, is process \d+; .*dlv attach \d+\n`, `sandbox: files \S`}},
		{"help", "help\n", []string{`describe +what`, `quit +ends`}},
		{"describe", "describe\n", []string{`echo 1\.0\.0: Echo`, `(?m)^width +64 `}},
		{"a life", ready + "infer prompt=hi\nwait\nshutdown\n", []string{`configured for cpu0 \(cpu\)\n`, `50 % half\n`, `loaded in `, `step 1 of 1\n`, `request 1 took .*, 1 steps reported, seed \d+\n`, `ended: exit status 0`}},
		{"health", "health\nconfigure\nhealth\nload\nwait\nhealth\n", []string{`created, .*MiB, 0 under way`, `configured, `, `ready, `}},
		{"configuration", "configure load_ms=many\nconfigure shade=1\nconfigure load_ms=1\nconfigure\n", []string{
			`error: load_ms is "many": an int`, `error: shade is no configuration value; there are load_ms`, `configured for`, `error: the plugin is configured, not`}},
		{"a refused configuration", "configure fault=configure\nrestart\nconfigure fault=\n", []string{`error: model has no model_index\.json`, `is process`, `configured for`}},
		{"the wrong order", "load\ninfer prompt=hi\n", []string{`error: the plugin is created`, `error: the plugin is created`}},
		{"wrong requests", ready + "infer\ninfer prompt=hi width=7\ninfer prompt\ninfer prompt=hi image=x.png\ninfer prompt=hi image=@x.png\ninfer prompt=hi image=@plugins.hcl\n", []string{
			`error: prompt is required`, `error: width is 7: .*a multiple of 8`, `error: "prompt": write NAME=VALUE`, `error: image is an image: write image=@FILE`, `error: image: .*x\.png`, `error: image is not a picture`}},
		{"wrong lines", "paint\nhealth now\ninfer prompt=\"hi\nlogs many\n\n", []string{`error: unknown command "paint"; there are cancel`, `error: health takes nothing more`, `error: the line ends within a quotation`, `error: logs takes a number`}},
		{"a failing request", ready + "infer prompt=fault:error\ninfer prompt=fault:panic\ninfer prompt=hi\n", []string{`error: cuDNN failed`, `error: the plugin panicked in Infer`, `request 3 took`}},
		{"a picture that breaks the description", ready + "infer prompt=fault:wrong-size\n", []string{`error: the plugin broke its own description`}},
		{"a text that begins with an at sign, and one from a file", ready + "infer prompt=@@fault:error\ninfer prompt=@fault.txt\n", []string{`request 1 took`, `error: cuDNN failed`}},
		{"cancel", ready + "infer prompt=hi steps=1000 step_ms=50\ncancel\ncancel\nhealth\n", []string{`cancelling request 1\n`, `error: the request was cancelled`, `error: nothing runs`, `ready, .* under way`}},
		{"a loading that is cancelled", "configure load_ms=60000\nload\ncancel\nhealth\n", []string{`cancelling the loading\n`, `error: the request was cancelled`, `(configured|loading|failed), `}},
		{"drain", ready + "infer prompt=hi steps=10 step_ms=10\ndrain\ninfer prompt=hi\n", []string{`(request 1 took|drained\n)(.|\n)*?(request 1 took|drained\n)`, `error: the plugin is draining`}},
		{"shutdown during a request", ready + "infer prompt=hi steps=1000 step_ms=50\nshutdown\nhealth\nrestart\n" + ready, []string{`ended: exit status 0`, `error: the process has ended: exit status 0; .restart. starts another`, `is process`, `loaded in`}},
		{"a process that dies", ready + "infer prompt=fault:exit\nwait\nhealth\nlogs 1\nrestart\n" + ready + "infer prompt=hi\n", []string{
			`error: plugin echo ended \(exit status 7\)(.|\n)*?CUDA error 700`, `error: the process has ended: exit status 7`, `CUDA error 700.*\n`, `is process`, `request 2 took`}},
		{"logs", "configure\nshutdown\nlogs\n", []string{`closed`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := newUser(t, hcl)
			u.write(t, "fault.txt", "fault:error")
			out, at := u.repl(t, "echo", c.script), 0
			for _, want := range c.want {
				found := regexp.MustCompile(want).FindStringIndex(out[at:])
				if found == nil {
					t.Fatalf("%q is not in order in\n%s", want, out)
				}
				at += found[1]
			}
		})
	}
}

func TestRepl_saves_the_picture_that_was_asked_for(t *testing.T) {
	u := newUser(t, echo(t, ""))
	out := u.repl(t, "echo", ready+"infer prompt='a red circle' width=16 height=8 seed=200\n")
	path := filepath.Join(u.dir, "echo-1.png")
	if !strings.Contains(out, "saved "+path+", 16 x 8 px\n") {
		t.Errorf("%s", out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img := decodePNG(t, data)
	if b := img.Bounds(); b.Dx() != 16 || b.Dy() != 8 || color.NRGBAModel.Convert(img.At(3, 3)) != (color.NRGBA{200, 200, 200, 255}) {
		t.Errorf("%v of the colour %v", b, img.At(3, 3))
	}
}

func TestRepl_takes_a_binary_with_its_block_or_without(t *testing.T) {
	path := plugintest.Echo(t, "")
	withBlock := newUser(t, echo(t, `fault = "configure"`))
	if out := withBlock.repl(t, path, "configure\nrestart\nconfigure fault=\n"); !strings.Contains(out, "error: model has no model_index.json") || !strings.Contains(out, "configured for") {
		t.Errorf("%s", out)
	}
	without := newUser(t, "")
	if err := os.Remove(filepath.Join(without.dir, "plugins.hcl")); err != nil {
		t.Fatal(err)
	}
	if out := without.repl(t, path, "configure\nload\n"); !strings.HasPrefix(out, "testplugin 1.0.0, endpoint echo") || !strings.Contains(out, "loaded in") {
		t.Errorf("%s", out)
	}
}

func TestRepl_shows_a_typed_folder_only_to_a_process_that_may_read_it(t *testing.T) {
	u := newUser(t, echo(t, ""))
	out := u.repl(t, "echo", fmt.Sprintf("configure model=%s\nrestart\nconfigure\n", t.TempDir()))
	if !regexp.MustCompile(`error: .* the process that runs may not read it; .restart.*\n(.*\n)*configured for`).MatchString(out) {
		t.Errorf("%s", out)
	}
}

func TestRepl_says_in_one_line_what_cannot_be_started(t *testing.T) {
	u := newUser(t, echo(t, ""))
	u.write(t, "no-plugin", "#!/bin/sh\necho hello\nexit 3\n")
	u.write(t, "text", "")
	if err := os.Chmod(filepath.Join(u.dir, "no-plugin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		target string
		code   int
		stderr string
	}{
		{"paint", 2, "paint is neither a file nor declared; declared are echo"},
		{"text", 2, "is no executable file"},
		{"no-plugin", 1, "ended (exit status 3)"},
	} {
		r := u.vision(t, "plugin", "repl", c.target)
		if r.code != c.code || !strings.Contains(r.stderr, c.stderr) || strings.Contains(r.stdout, "is process") {
			t.Errorf("%s: exit code %d\n%s%s", c.target, r.code, r.stdout, r.stderr)
		}
	}
}

// typing is a session whose lines are written one by one.
func (u *user) typing(t testing.TB) (p *process, write func(line string)) {
	t.Helper()
	in, script, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { script.Close() })
	p = u.replProcess(t, "echo", in)
	in.Close()
	return p, func(line string) {
		t.Helper()
		if _, err := script.WriteString(line + "\n"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRepl_cancels_by_one_interrupt_and_ends_by_two(t *testing.T) {
	p, write := newUser(t, echo(t, "")).typing(t)
	write(ready + "infer prompt=hi steps=1000 step_ms=50")
	p.await(t, &p.stdout, "of 1000\n")
	p.signal(t, syscall.SIGINT)
	p.await(t, &p.stdout, "error: the request was cancelled\n")
	write("infer prompt=hi")
	p.await(t, &p.stdout, "request 2 took")
	p.signal(t, syscall.SIGINT)
	plugintest.Eventually(t, 5*time.Second, "the second warning", func() bool {
		return strings.Count(p.stdout.String(), "once more ends the session") == 2
	})
	p.signal(t, syscall.SIGINT)
	if code := p.end(t, 10*time.Second); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, &p.stdout, &p.stderr)
	}
}

func TestRepl_leaves_a_hanging_request_alone_until_it_is_told_to_restart(t *testing.T) {
	p, write := newUser(t, echo(t, "")).typing(t)
	write(ready + "infer prompt=fault:hang")
	p.await(t, &p.stdout, "step 1 of 1\n")
	write("cancel\nhealth")
	p.await(t, &p.stdout, "error: the request was cancelled\n")
	p.await(t, &p.stdout, ", 1 under way 1\n")
	write("restart\nhealth\nquit")
	if code := p.end(t, 10*time.Second); code != 0 || !strings.Contains(p.stdout.String(), "created, ") {
		t.Errorf("exit code %d\n%s%s", code, &p.stdout, &p.stderr)
	}
}
