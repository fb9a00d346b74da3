package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vision19/vision/host/internal/plugintest"
)

// openTerminal makes a pseudo-terminal: the person's side and the program's.
func openTerminal(t testing.TB) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("skipped: no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func TestRepl_edits_lines_on_a_terminal_and_leaves_it_as_it_was(t *testing.T) {
	u := newUser(t, echo(t, ""))
	person, program := openTerminal(t)
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	var out plugintest.Output
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := person.Read(buffer)
			_, _ = out.Write(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	p := &process{cmd: exec.Command(binary, "plugin", "repl", "echo", "--state", u.state), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = u.dir, program, program, &p.stderr
	p.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+u.runtime)
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
	const prompt = "echo> "
	prompts := 0
	keys := func(text string) { // typed when there is a new prompt
		t.Helper()
		prompts++
		plugintest.Eventually(t, 10*time.Second, fmt.Sprintf("the prompt for %q after\n%s", text, &out), func() bool { return strings.Count(out.String(), prompt) >= prompts })
		if _, err := person.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	see := func(text string) {
		t.Helper()
		plugintest.Eventually(t, 10*time.Second, fmt.Sprintf("%q in\n%s", text, &out), func() bool { return strings.Contains(out.String(), text) })
	}
	keys("healp\x7fth\r")
	see("created, ")
	keys("configure\r")
	see("configured for")
	keys("\x1b[A\x1b[A\r") // up, twice: health
	see("configured, ")
	keys("load\r")
	see("loaded in")
	if _, err := person.WriteString("infer prompt=hi steps=1000 step_ms=50\r"); err != nil {
		t.Fatal(err)
	}
	plugintest.Eventually(t, 10*time.Second, "a second step, while the next line is edited", func() bool { return strings.Count(out.String(), "of 1000\r\n") >= 2 })
	for _, want := range []string{"once more ends the session", ""} {
		if _, err := person.WriteString("\x03"); err != nil {
			t.Fatal(err)
		}
		if want != "" {
			see(want)
			see("error: the request was cancelled")
		}
	}
	if code := p.end(t, 10*time.Second); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, &out, &p.stderr)
	}
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal's mode was %+v, is %+v, %v", before, after, err)
	}
}
