package validator

import (
	"net/netip"
	"slices"
)

// Of IPv6 only this has been given out as public addresses; all else is local, multicast, translated or unassigned (RFC 4291, IANA's registry).
var global6 = netip.MustParsePrefix("2000::/3")

// nat64 is the prefix under which a network reaches IPv4 addresses, which stand in its last 32 bits (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// special are the blocks of IPv4 and of global6 that no public host has: IANA's special-purpose address registries (RFC 6890).
var special = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // carriers' own, CGNAT
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local, and with it clouds' metadata
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, broadcast
	"2001::/23",       // protocol assignments: Teredo, benchmarks, ORCHID
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4: given up (RFC 7526), and leads to any IPv4 address
	"3fff::/20",       // documentation
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// public says whether an address is a host's on the public internet. An IPv4 address within an IPv6 one counts as itself.
func public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.Is6() && !global6.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}
