package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// maxReplLine bounds a line that is typed or piped in: the longest prompt, many times over.
const maxReplLine = 1 << 20 // bytes

// console reads lines and prints. On a terminal lines can be edited, and what is printed meanwhile leaves the line whole; the terminal is
// as it was while a command runs. A pipe is read line by line, without prompt or echo.
type console struct {
	wanted     chan struct{}
	lines      chan string // closed at the end of the input
	interrupts chan os.Signal

	mu       sync.Mutex
	terminal *term.Terminal // nil in a pipe
	cooked   *term.State    // while a line is edited
}

// openConsole uses stdin and stdout until close.
func openConsole(prompt string) *console {
	c := &console{wanted: make(chan struct{}, 1), lines: make(chan string), interrupts: make(chan os.Signal, 1)}
	// Beside main's own handling, which would end the program at the second interrupt.
	signal.Notify(c.interrupts, os.Interrupt, syscall.SIGTERM)
	if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
		c.terminal = term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{c, os.Stdout}, prompt)
	}
	go c.read()
	return c
}

func (c *console) close() {
	signal.Stop(c.interrupts)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restore()
}

// want asks for the next line, which comes on lines; it may be asked for again once it has come.
func (c *console) want() { c.wanted <- struct{}{} }

// read reads what is wanted, in a goroutine of its own: nothing else can wait for a line and for an interrupt at once.
func (c *console) read() {
	defer close(c.lines)
	in := bufio.NewReaderSize(os.Stdin, maxReplLine)
	for range c.wanted {
		var line string
		var err error
		if c.terminal != nil {
			line, err = c.edit()
		} else {
			var data []byte
			data, err = in.ReadSlice('\n')
			line = string(data)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			_, _ = io.WriteString(c, "error: a line has more than 1 MiB; the session ends here\n")
			return
		case err != nil && line == "":
			return
		}
		c.lines <- strings.TrimRight(line, "\r\n")
	}
}

// edit reads a line from the terminal.
func (c *console) edit() (string, error) {
	c.mu.Lock()
	state, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err == nil {
		c.cooked = state
	}
	if width, height, err := term.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 {
		_ = c.terminal.SetSize(width, height) // only repaints
	}
	c.mu.Unlock()
	line, err := c.terminal.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restore()
	return line, err
}

// restore gives the terminal back its own mode; the lock is held.
func (c *console) restore() {
	if c.cooked != nil {
		_ = term.Restore(int(os.Stdin.Fd()), c.cooked)
		c.cooked = nil
	}
}

// keyInterrupt is what Ctrl-C sends to a terminal in raw mode.
const keyInterrupt = 3

// Read implements io.Reader for the line editor: the keys, and Ctrl-C as the interrupt that it is while a command runs.
func (c *console) Read(keys []byte) (int, error) {
	for {
		n, err := os.Stdin.Read(keys)
		kept := keys[:0]
		for _, key := range keys[:n] {
			if key != keyInterrupt {
				kept = append(kept, key)
				continue
			}
			select {
			case c.interrupts <- os.Interrupt:
			default:
			}
		}
		if len(kept) > 0 || err != nil {
			return len(kept), err
		}
	}
}

// Write implements io.Writer; it may be called from any goroutine.
func (c *console) Write(text []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cooked != nil {
		return c.terminal.Write(text)
	}
	return os.Stdout.Write(text)
}

// splitWords cuts a line at its spaces. Quotes, single or double, keep spaces, and a backslash keeps the character after it.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quote, escaped := false, rune(0), false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			inWord, escaped = true, true
		case r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			inWord, quote = true, r
		case quote == 0 && (r == ' ' || r == '\t'):
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("the line ends within a quotation: close it, or write \\\" for the character itself")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
