package runtime

import (
	"bytes"
	"encoding/binary"

	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/tlock"
)

const (
	maxCommit  = 5000 // MAX_CRV3_COMMIT_SIZE_BYTES
	maxWaiting = 10   // commits of a hotkey that wait for their reveal
)

// reveal is what a commit of weights hides.
type reveal struct {
	uids, values, salt []uint16
	version            uint64
}

// hash is what commit_weights is given: get_commit_hash in subnets/weights.rs.
func (v reveal) hash(who []byte, idx uint64) []byte {
	b := binary.LittleEndian.AppendUint16(bytes.Clone(who), uint16(idx))
	for _, vec := range [][]uint16{v.uids, v.values, v.salt} {
		b = scale.AppendCompact(b, uint64(len(vec)))
		for _, n := range vec {
			b = binary.LittleEndian.AppendUint16(b, n)
		}
	}
	return scale.Blake2_256(binary.LittleEndian.AppendUint64(b, v.version))
}

// hidden is one stored commit: its hash, epoch and block.
type hidden struct {
	hash         []byte
	epoch, block uint64
}

func (s state) commits(idx uint64, who []byte) (all []hidden, there bool) {
	list, there := s.get("WeightCommits", idx, who).([]any)
	for _, c := range list {
		c, _ := c.([]any)
		hash, _ := c[0].([]byte)
		n := integers(c[1:])
		all = append(all, hidden{hash, n[0], n[1]})
	}
	return all, there
}

func (s state) setCommits(all []hidden, idx uint64, who []byte) {
	list := make([]any, len(all))
	for i, c := range all {
		list[i] = []any{c.hash, c.epoch, c.block, 0}
	}
	s.put(list, "WeightCommits", idx, who)
}

// epochNow is the epoch that a commit or reveal of this block counts to: the next one, if that begins with this block.
func (s state) epochNow(netuid uint64) uint64 {
	e := s.number("SubnetEpochIndex", netuid)
	if s.epochDue(netuid) {
		e++
	}
	return e
}

// expire takes off the commits whose reveal epoch is over.
func (s state) expire(all []hidden, netuid uint64) (live []hidden, expired [][]byte) {
	for len(all) > 0 && s.epochNow(netuid) > all[0].epoch+s.number("RevealPeriodEpochs", netuid) {
		expired, all = append(expired, all[0].hash), all[1:]
	}
	return all, expired
}

func (s state) revealable(c hidden, netuid uint64) bool {
	return s.epochNow(netuid) == c.epoch+s.number("RevealPeriodEpochs", netuid)
}

func find(all []hidden, hash []byte) int {
	for i, c := range all {
		if bytes.Equal(c.hash, hash) {
			return i
		}
	}
	return -1
}

func contains(all [][]byte, hash []byte) bool {
	for _, h := range all {
		if bytes.Equal(h, hash) {
			return true
		}
	}
	return false
}

// mayCommit is what both kinds of commit check alike; version is nil for the kind that has none.
func (s state) mayCommit(who []byte, netuid, mecid uint64, version *uint64) (uid uint64, err error) {
	switch {
	case !s.mechanismExists(netuid, mecid):
		return 0, fail("MechanismDoesNotExist")
	case !s.flag("CommitRevealWeightsEnabled", netuid):
		return 0, fail("CommitRevealDisabled")
	case version != nil && *version != s.number("CommitRevealWeightsVersion"):
		return 0, fail("IncorrectCommitRevealVersion")
	}
	uid, ok := s.get("Uids", netuid, who).(uint64)
	switch {
	case !ok:
		return 0, fail("HotKeyNotRegisteredInSubNet")
	case !s.rested(netuid, mecid, uid):
		return 0, fail("CommittingWeightsTooFast")
	}
	return uid, nil
}

// commitWeights keeps the hash of weights (commit-reveal v2).
func (s state) commitWeights(who []byte, netuid, mecid uint64, hash []byte) error {
	uid, err := s.mayCommit(who, netuid, mecid, nil)
	if err != nil {
		return err
	}
	idx := index(netuid, mecid)
	all, _ := s.commits(idx, who)
	if all, _ = s.expire(all, netuid); len(all) >= maxWaiting {
		return fail("TooManyUnrevealedCommits")
	}
	s.setCommits(append(all, hidden{hash, s.epochNow(netuid), s.block()}), idx, who)
	s.emit("WeightsCommitted", who, idx, hash)
	s.setLastUpdate(idx, uid, s.block())
	return nil
}

func (s state) batchCommitWeights(who []byte, a args) error {
	netuids, hashes := integers(a.Get("netuids")), a.list("commit_hashes")
	if len(netuids) != len(hashes) {
		return fail("InputLengthsUnequal")
	}
	return s.each(who, netuids, func(s state, i int) error {
		hash, _ := hashes[i].([]byte)
		return s.commitWeights(who, netuids[i], 0, hash)
	})
}

// revealWeights sets weights that were committed, in the one epoch for it.
func (s state) revealWeights(who []byte, netuid, mecid uint64, v reveal) error {
	if !s.flag("CommitRevealWeightsEnabled", netuid) {
		return fail("CommitRevealDisabled")
	}
	idx := index(netuid, mecid)
	all, there := s.commits(idx, who)
	if !there {
		return fail("NoWeightsCommitFound")
	}
	all, expired := s.expire(all, netuid)
	hash := v.hash(who, idx)
	at := find(all, hash)
	switch {
	case at < 0 && contains(expired, hash):
		return fail("ExpiredWeightCommit")
	case len(all) == 0:
		return fail("NoWeightsCommitFound")
	case at < 0:
		return fail("InvalidRevealCommitHashNotMatch")
	case !s.revealable(all[at], netuid):
		return fail("RevealTooEarly")
	}
	if all = all[at+1:]; len(all) > 0 {
		s.setCommits(all, idx, who)
	} else {
		s.remove("WeightCommits", idx, who)
	}
	if err := s.setWeights(who, netuid, mecid, v.uids, v.values, v.version); err != nil {
		return err
	}
	s.emit("WeightsRevealed", who, idx, hash)
	return nil
}

// reveals are those of batch_reveal_weights, whose vectors are of one length.
func reveals(a args) []reveal {
	uids, values, salts, keys := a.list("uids_list"), a.list("values_list"), a.list("salts_list"), integers(a.Get("version_keys"))
	all := make([]reveal, len(uids))
	for i := range uids {
		all[i] = reveal{shorts(uids[i]), shorts(values[i]), shorts(salts[i]), keys[i]}
	}
	return all
}

func (s state) batchRevealWeights(who []byte, a args) error {
	netuid := a.n("netuid")
	if err := unequal("batch_reveal_weights", a); err != nil {
		return err
	}
	if !s.flag("CommitRevealWeightsEnabled", netuid) {
		return fail("CommitRevealDisabled")
	}
	idx := index(netuid, 0)
	all, there := s.commits(idx, who)
	if !there {
		return fail("NoWeightsCommitFound")
	}
	all, expired := s.expire(all, netuid)
	given := reveals(a)
	hashes := make([][]byte, len(given))
	missing := func(hash []byte) error {
		if contains(expired, hash) {
			return fail("ExpiredWeightCommit")
		}
		return fail("InvalidRevealCommitHashNotMatch")
	}
	for i, v := range given {
		hashes[i] = v.hash(who, idx)
		at := find(all, hashes[i])
		if at < 0 {
			return missing(hashes[i])
		}
		if !s.revealable(all[at], netuid) {
			return fail("RevealTooEarly")
		}
	}
	for i, v := range given {
		at := find(all, hashes[i])
		if at < 0 {
			return missing(hashes[i])
		}
		all = append(all[:at:at], all[at+1:]...)
		if err := s.setWeights(who, netuid, 0, v.uids, v.values, v.version); err != nil {
			return err
		}
	}
	if len(all) > 0 {
		s.setCommits(all, idx, who)
	} else {
		s.remove("WeightCommits", idx, who)
	}
	s.emit("WeightsBatchRevealed", who, netuid, hashes)
	return nil
}

// guardReveal refuses early what a reveal or a timelocked commit could not do.
func (s state) guardReveal(who []byte, f string, a args) error {
	netuid, given, idx := a.n("netuid"), []reveal(nil), index(a.n("netuid"), a.n("mecid"))
	switch f {
	case "reveal_weights", "reveal_mechanism_weights":
		given = []reveal{{a.shorts("uids"), a.shorts("values"), a.shorts("salt"), a.n("version_key")}}
	case "batch_reveal_weights":
		given = reveals(a)
	case "commit_timelocked_weights", "commit_timelocked_mechanism_weights", "commit_crv3_mechanism_weights":
		if a.n("reveal_round") < s.number("Drand.LastStoredRound") {
			return fail("InvalidRevealRound")
		}
		return nil
	default:
		return nil
	}
	all, there := s.commits(idx, who)
	if !there {
		return fail("NoWeightsCommitFound")
	}
	for _, v := range given {
		at := find(all, v.hash(who, idx))
		if at < 0 {
			return fail("NoWeightsCommitFound")
		}
		if !s.revealable(all[at], netuid) {
			return fail("RevealTooEarly")
		}
	}
	return nil
}

// commitTimelocked keeps weights that the beacon will open (commit-reveal v4).
func (s state) commitTimelocked(who []byte, netuid, mecid uint64, commit []byte, round, version uint64) error {
	uid, err := s.mayCommit(who, netuid, mecid, &version)
	if err != nil {
		return err
	}
	idx, epoch := index(netuid, mecid), s.epochNow(netuid)
	all, _ := s.get("TimelockedWeightCommits", idx, epoch).([]any)
	mine := 0
	for _, c := range all {
		if owner, _ := c.([]any)[0].([]byte); bytes.Equal(owner, who) {
			mine++
		}
	}
	if mine >= maxWaiting {
		return fail("TooManyUnrevealedCommits")
	}
	s.put(append(all, []any{who, s.block(), commit, round}), "TimelockedWeightCommits", idx, epoch)
	s.emit("TimelockedWeightsCommitted", who, idx, scale.Blake2_256(commit), round)
	s.setLastUpdate(idx, uid, s.block())
	return nil
}

// revealTimelocked opens what is due in this epoch, and tries again in its later blocks what has no pulse yet: coinbase/reveal_commits.rs. A commit
// that does not open, or whose weights the rules refuse, is dropped without a word.
func (s state) revealTimelocked(netuid uint64) {
	now, period := s.epochNow(netuid), s.number("RevealPeriodEpochs", netuid)
	due := now - min(now, period)
	for mecid := range s.number("MechanismCountCurrent", netuid) {
		idx := index(netuid, mecid)
		for _, epoch := range s.commitEpochs(idx) {
			if epoch < due {
				s.remove("TimelockedWeightCommits", idx, epoch)
			}
		}
		if now < period {
			return
		}
		all, _ := s.get("TimelockedWeightCommits", idx, due).([]any)
		s.remove("TimelockedWeightCommits", idx, due)
		var waiting []any
		for _, c := range all {
			c, _ := c.([]any)
			who, _ := c[0].([]byte)
			commit, _ := c[2].([]byte)
			pulse, ok := s.get("Drand.Pulses", c[3]).(scale.Struct)
			if !ok {
				waiting = append(waiting, c)
				continue
			}
			signature, _ := pulse.Get("signature").([]byte)
			if s.nested(func(s state) error { return s.open(who, netuid, mecid, commit, signature) }) == nil {
				s.emit("TimelockedWeightsRevealed", idx, who)
			}
		}
		if len(waiting) > 0 {
			s.put(waiting, "TimelockedWeightCommits", idx, due)
		}
	}
}

// commitEpochs are the epochs with timelocked commits.
func (s state) commitEpochs(idx uint64) []uint64 {
	at, full := s.at("TimelockedWeightCommits", []any{idx})
	var epochs []uint64
	for _, key := range s.Keys(full, nil, 0) {
		if r := scale.NewReader(key[len(full):]); len(at.keys) == 2 && r.Left() == 16 {
			r.U64()
			epochs = append(epochs, r.U64())
		}
	}
	return epochs
}

// open decrypts a commit and sets what is in it: the hotkey, which must be who committed, uids, values and version key, or the older form without hotkey.
func (s state) open(who []byte, netuid, mecid uint64, commit, signature []byte) error {
	plaintext, err := tlock.Decrypt(commit, signature)
	if err != nil {
		return err
	}
	vector := func(r *scale.Reader) []uint16 {
		out := make([]uint16, r.Length(2))
		for i := range out {
			out[i] = r.U16()
		}
		return out
	}
	r := scale.NewReader(plaintext)
	hotkey, uids, values := r.Blob(), vector(r), vector(r)
	version := r.U64()
	switch {
	case r.Err() != nil || len(hotkey) < 32:
		r = scale.NewReader(plaintext)
		uids, values = vector(r), vector(r)
		version = r.U64()
	case !bytes.Equal(hotkey[:32], who):
		return fail("HotKeyNotRegisteredInSubNet")
	}
	if r.Err() != nil {
		return r.Err()
	}
	return s.setWeights(who, netuid, mecid, uids, values, version)
}
