// Verifies signed notes with golang.org/x/mod/sumdb/note, the reference implementation of the format.
//
// A question a line: {"note": base64, "vkeys": [...]}. Accepted: every one of the vkeys has signed. Keys of
// type 0x01 are x/mod's own; for 0x04 (tlog-cosignature), which it has no key type for, the signed message is put
// together here and checked with crypto/ed25519, within note.Open's own rules.
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

type question struct {
	Note  []byte   `json:"note"`
	Vkeys []string `json:"vkeys"`
}

type answer struct {
	Accepted bool   `json:"accepted"`
	Says     string `json:"says"`
}

type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig))
	return ed25519.Verify(c.key, append([]byte(head), msg...), sig[8:])
}

func verifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("not a vkey")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) == 0 || raw[0] != 4 {
		return note.NewVerifier(vkey)
	}
	id, err := hex.DecodeString(parts[1])
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || string(id) != string(sum[:4]) {
		return nil, errors.New("not a cosigner's vkey")
	}
	return cosigner{parts[0], binary.BigEndian.Uint32(id), ed25519.PublicKey(raw[1:])}, nil
}

func judge(q question) (string, error) {
	var known []note.Verifier
	for _, vkey := range q.Vkeys {
		one, err := verifier(vkey)
		if err != nil {
			return "", err
		}
		known = append(known, one)
	}
	found, err := note.Open(q.Note, note.VerifierList(known...))
	if err != nil {
		return "", err
	}
	if len(found.Sigs) != len(known) {
		return "", fmt.Errorf("%d of %d have signed", len(found.Sigs), len(known))
	}
	return found.Text, nil
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		text, err := judge(q)
		if err != nil {
			text = err.Error()
		}
		if err := out.Encode(answer{err == nil, text}); err != nil {
			panic(err)
		}
	}
	if err := in.Err(); err != nil {
		panic(err)
	}
}
