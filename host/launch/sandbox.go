package launch

import (
	"os"
	"path/filepath"
	"strings"
)

// Sandbox says how far a plugin is confined. What the machine cannot do is left out and said so in the Report, never silently.
//
// Files confines what the process may open: the system's libraries, its own folder, Spec.Source, Read and the devices of accelerators;
// it writes only to its scratch folder, its socket's folder and /dev/shm. Nothing keeps it from connecting to a socket that has a name in
// the file system and whose permissions allow it: a service of the host that listens on one must authenticate its clients.
// Network leaves it a loopback of its own and nothing else. Both take away the privileges of a host that runs as root.
type Sandbox struct {
	Files, Network bool
	Read           []string // model folders and files, absolute
	Memory         int64    // bytes of RAM that the process is meant to take, 0: no limit. It is killed above one and a half times as much
}

// memoryLimit is what all processes of a plugin together may take: above Memory, which is an estimate and does not count the file cache.
func (s Sandbox) memoryLimit() int64 { return s.Memory / 2 * 3 }

// Report says what holds for a process, each as a short text for ps and doctor; a text that begins with "open: " gives the reason.
type Report struct {
	Files    string // "confined" or "open: ..."
	Network  string // "none", "tcp refused" (datagrams still pass) or "open: ..."
	Memory   string // "limited", "limited: ..." (only the address space) or "open: ..."
	Children string // "contained" or "open: ...": a child in a session of its own outlives the plugin
}

// EnvSource names the folder where the plugin's binary was found: a script finds its modules there.
const EnvSource = "VISION_PLUGIN_SOURCE"

const notAsked = "open: the configuration asks for no limit"

// Limits of every plugin process, whatever its sandbox.
const (
	maxFileSize  = 4 << 30 // a plugin writes caches of compiled kernels, whose largest are a few hundred MB; a full disk stops the host's database
	maxOpenFiles = 4096    // a few hundred are in use with CUDA; an endless leak ends as an error of the plugin, not of the machine
)

// access is what a path's rule allows.
type access string

const (
	read   access = "read"   // and execute
	write  access = "write"  // and make and remove
	device access = "device" // read, write and ioctl, without making
)

// rule allows an access to a file, or to everything below a folder. A path that is missing is skipped.
type rule struct {
	Path   string
	Access access
}

// systemPaths are what any program needs to run. /proc is open because CUDA and language runtimes look around in it; what it tells of
// other processes' memory and environment is guarded by the kernel's ptrace rules, which know the sandbox.
var systemPaths = []string{
	"/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt", "/nix/store", "/proc", "/sys",
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/localtime", "/etc/timezone",
	"/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf", "/etc/os-release",
	"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/OpenCL", "/etc/vulkan", "/etc/glvnd", "/etc/egl", "/etc/nvidia", "/etc/python3*",
	"/etc/fonts", "/etc/mime.types", "/etc/alternatives",
}

// devicePaths are a list because /dev has disks too, which a host that runs as root could read.
var devicePaths = []string{
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/nvidia*", "/dev/dri", "/dev/kfd", "/dev/dxg", "/dev/accel",
}

// rules are the paths that the plugin may use. env is its environment: libraries are where the host's variables say.
func (s Spec) rules(socketDir string, env []string) ([]rule, error) {
	reads := append([]string(nil), systemPaths...)
	reads = append(reads, s.Binary)
	for _, dir := range []string{folder(s.Binary), s.Source} {
		if dir != "" && !holdsHome(dir) {
			reads = append(reads, dir)
		}
	}
	writes := []string{s.ScratchDir, socketDir, "/dev/shm"}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case "ONNXRUNTIME_LIB":
			reads = append(reads, folder(value))
		case "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH", "VK_ICD_FILENAMES":
			reads = append(reads, filepath.SplitList(value)...)
		case "XDG_CACHE_HOME":
			reads = append(reads, filepath.Join(value, "vision"))
		case "CUDA_CACHE_PATH":
			writes = append(writes, value)
		}
	}
	models, err := modelPaths(s.Sandbox.Read)
	if err != nil {
		return nil, err
	}
	var out []rule
	for _, group := range []struct {
		access access
		paths  []string
	}{{read, reads}, {read, models}, {write, writes}, {device, devicePaths}} {
		for _, path := range group.paths {
			out = append(out, globbed(path, group.access)...)
		}
	}
	return out, nil
}

// globbed are the rules of a path, whose last element may be a pattern in the lists above.
func globbed(path string, a access) []rule {
	if !filepath.IsAbs(path) { // an entry of LD_LIBRARY_PATH may be empty, which means the working folder
		return nil
	}
	if !strings.HasPrefix(path, "/dev/") && !strings.HasPrefix(path, "/etc/") {
		return []rule{{path, a}}
	}
	matches, _ := filepath.Glob(path)
	var out []rule
	for _, m := range matches {
		out = append(out, rule{m, a})
	}
	return out
}

// folder is where a file really lies.
func folder(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return filepath.Dir(path)
}

// holdsHome reports whether the user's home folder is dir or lies below it: a plugin that was found there may not read it all.
func holdsHome(dir string) bool {
	home, err := os.UserHomeDir()
	return dir == "/" || err == nil && within(home, dir)
}

// within reports whether path is dir or lies below it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}
