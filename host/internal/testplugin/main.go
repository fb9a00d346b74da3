// Command testplugin is an endpoint for the host's tests: it echoes, and breaks in every way that a plugin can break. Faults
// at the start are chosen by its file name (the host passes no arguments), faults of a request by the prompt.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/vision19/vision/sdk"
)

func main() {
	name := filepath.Base(os.Args[0])
	_, fault, _ := strings.Cut(name, "--")
	if lie, ok := strings.CutPrefix(fault, "liar-"); ok {
		serveLiar(lie)
		return
	}
	startFault(fault)
	sdk.Serve(&echo{})
}

// startFault breaks the start; those that return go on to serve.
func startFault(fault string) {
	switch fault {
	case "text-before-handshake":
		fmt.Println("Loaded CUDA provider")
		fmt.Println("1|2 is not a handshake")
	case "exit":
		fmt.Fprintln(os.Stderr, "libonnxruntime.so: cannot open shared object file")
		os.Exit(3)
	case "wrong-protocol":
		fmt.Println("1|99|unix|/nowhere|grpc|")
		time.Sleep(time.Minute)
	case "never-answers":
		time.Sleep(time.Minute)
	case "hold-pipes":
		hold()
	case "no-certificate": // go-plugin then serves without TLS
		_ = os.Unsetenv("PLUGIN_CLIENT_CERT")
	}
}

// hold forks a child that keeps the pipes open for a minute and survives its parent.
func hold() {
	child := exec.Command("sleep", "60")
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "child", child.Process.Pid)
}
