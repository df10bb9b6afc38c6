// Verifies Merkle proofs and tiles with golang.org/x/mod/sumdb/tlog, the implementation behind Go's checksum database.
//
// A question a line, told apart by "kind":
//
//	inclusion    is `entry` leaf `index` of the tree (size, root), as `proof` says?
//	consistency  does the tree (size, root) continue (old_size, old_root), as `proof` says?
//	tiles        do `files` (C2SP tlog-tiles) make the tree (size, root), entries included?
//	proof        is `entry` in the log that `vkey` has signed, as the C2SP tlog-proof in `text` says?
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // of C2SP's tiles

type question struct {
	Kind    string            `json:"kind"`
	Index   int64             `json:"index"`
	Size    int64             `json:"size"`
	Root    []byte            `json:"root"`
	OldSize int64             `json:"old_size"`
	OldRoot []byte            `json:"old_root"`
	Entry   []byte            `json:"entry"`
	Proof   [][]byte          `json:"proof"`
	Files   map[string][]byte `json:"files"`
	Text    string            `json:"text"`
	Vkey    string            `json:"vkey"`
}

type answer struct {
	Accepted bool   `json:"accepted"`
	Says     string `json:"says"`
}

func hash(raw []byte) (h tlog.Hash, err error) {
	if len(raw) != tlog.HashSize {
		return h, fmt.Errorf("a hash of %d bytes", len(raw))
	}
	copy(h[:], raw)
	return h, nil
}

func hashes(raw [][]byte) (all []tlog.Hash, err error) {
	for _, one := range raw {
		h, err := hash(one)
		if err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

func inclusion(q question) error {
	root, err := hash(q.Root)
	if err != nil {
		return err
	}
	proof, err := hashes(q.Proof)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, q.Size, root, q.Index, tlog.RecordHash(q.Entry))
}

func consistency(q question) error {
	root, err := hash(q.Root)
	if err != nil {
		return err
	}
	old, err := hash(q.OldRoot)
	if err != nil {
		return err
	}
	proof, err := hashes(q.Proof)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, q.Size, root, q.OldSize, old)
}

// files as x/mod asks for them: tile/8/<level>/..., of which C2SP leaves the height out.
type files map[string][]byte

func (f files) Height() int                         { return height }
func (f files) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		data, known := f[path]
		if !known || len(data) != tile.W*tlog.HashSize {
			return nil, errors.New(path + " is missing or has another length")
		}
		all = append(all, data)
	}
	return all, nil
}

func (f files) entries(size int64) (all [][]byte, err error) {
	for first := int64(0); first < size; first += 1 << height {
		width := size - first
		if width > 1<<height {
			width = 1 << height
		}
		tile := tlog.Tile{H: height, L: -1, N: first >> height, W: int(width)}
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/data", height), "tile/entries", 1)
		data, known := f[path]
		if !known {
			return nil, errors.New(path + " is missing")
		}
		for n := 0; n < tile.W; n++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return nil, errors.New(path + " ends too early")
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			all, data = append(all, data[2:end]), data[end:]
		}
		if len(data) != 0 {
			return nil, errors.New(path + " has bytes left over")
		}
	}
	return all, nil
}

func tiles(q question) error {
	root, err := hash(q.Root)
	if err != nil {
		return err
	}
	f := files(q.Files)
	entries, err := f.entries(q.Size)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: q.Size, Hash: root}, f)
	indexes := make([]int64, q.Size)
	for n := range indexes {
		indexes[n] = tlog.StoredHashIndex(0, int64(n))
	}
	leaves, err := reader.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for n, leaf := range leaves {
		if leaf != tlog.RecordHash(entries[n]) {
			return fmt.Errorf("entry %d is not the one of its tile", n)
		}
	}
	return nil
}

func proof(q question) error {
	head, signed, found := strings.Cut(q.Text, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil || lines[1] != fmt.Sprintf("index %d", index) || index != q.Index {
		return errors.New("not the proof of this leaf")
	}
	var path []tlog.Hash
	for _, line := range lines[2:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, h)
	}
	log, err := note.NewVerifier(q.Vkey)
	if err != nil {
		return err
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(log))
	if err != nil {
		return err
	}
	said := strings.Split(opened.Text, "\n")
	if len(said) != 4 || said[0] != log.Name() {
		return errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(said[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(said[2])
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, size, root, index, tlog.RecordHash(q.Entry))
}

func main() {
	kinds := map[string]func(question) error{
		"inclusion": inclusion, "consistency": consistency, "tiles": tiles, "proof": proof,
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		says := "holds"
		err := kinds[q.Kind](q)
		if err != nil {
			says = err.Error()
		}
		if err := out.Encode(answer{err == nil, says}); err != nil {
			panic(err)
		}
	}
	if err := in.Err(); err != nil {
		panic(err)
	}
}
