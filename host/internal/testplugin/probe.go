package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/vision19/vision/sdk"
)

// probe tries what a sandbox may refuse, as the prompt fault:WHAT:ARGUMENT asks, and answers with the error.
func probe(what, argument string, good sdk.Result) (sdk.Result, error) {
	var err error
	switch what {
	case "read":
		_, err = os.ReadFile(argument)
	case "write":
		if err = os.WriteFile(argument, []byte("x"), 0o600); err == nil {
			err = os.Remove(argument)
		}
	case "open": // for writing
		var f *os.File
		if f, err = os.OpenFile(argument, os.O_WRONLY, 0); err == nil {
			f.Close()
		}
	case "tasks": // the environment and the memory of every thread of a process
		err = readTasks(argument)
	case "dial":
		err = dial("tcp", argument)
	case "send":
		err = dial("udp", argument)
	case "loopback":
		err = loopback()
	case "kill":
		pid, _ := strconv.Atoi(argument)
		err = syscall.Kill(pid, 0)
	case "status":
		var data []byte
		if data, err = os.ReadFile("/proc/self/status"); err == nil {
			err = errors.New(string(data))
		}
	case "limit":
		var limit syscall.Rlimit
		number, _ := strconv.Atoi(argument)
		if err = syscall.Getrlimit(number, &limit); err == nil {
			err = fmt.Errorf("limit %d", limit.Max)
		}
	case "session": // a child that leaves the process group
		child := exec.Command("sleep", "60")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err = child.Start(); err == nil {
			fmt.Fprintln(os.Stderr, "child", child.Process.Pid)
		}
	case "lines":
		count, _ := strconv.Atoi(argument)
		for i := range count {
			fmt.Fprintln(os.Stderr, "line", i)
		}
	default:
		err = fmt.Errorf("no fault has the name %s", what)
	}
	return good, err
}

// allocate takes memory until a limit ends it: at once where address space is limited, and else page by page, up to an amount that does not harm
// a machine without limits.
func allocate() {
	kept := [][]byte{make([]byte, 8<<30)} // not touched
	for range 1 << 10 {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
	fmt.Fprintln(os.Stderr, "nothing limits the memory:", len(kept), "allocations")
	os.Exit(9)
}

// readTasks fails when no thread may be looked into.
func readTasks(pid string) error {
	tasks, err := filepath.Glob("/proc/" + pid + "/task/*")
	if err != nil || len(tasks) == 0 {
		return errors.New("no such process")
	}
	for _, task := range tasks {
		for _, name := range []string{"environ", "mem"} {
			f, err := os.Open(filepath.Join(task, name))
			if err == nil {
				f.Close()
				return nil
			}
		}
	}
	return errors.New("permission denied for every thread")
}

func dial(network, address string) error {
	c, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte("hello"))
	return err
}

// loopback talks to a server of its own.
func loopback() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	return dial("tcp", l.Addr().String())
}
