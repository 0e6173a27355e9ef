package sigstore_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"gitseal/fakeca"
)

// entryOf returns the one entry in an answer of a log, and its inclusion proof.
func entryOf(t *testing.T, g *rig, o map[string]any) (entry, proof map[string]any) {
	if g.generation == fakeca.RekorV2 {
		return o, o["inclusionProof"].(map[string]any)
	}
	for _, v := range o {
		entry = v.(map[string]any)
	}
	return entry, entry["verification"].(map[string]any)["inclusionProof"].(map[string]any)
}

// editEntry answers with an entry of which one thing was changed.
func editEntry(edit func(g *rig, entry, proof map[string]any)) func(*testing.T, *rig, http.ResponseWriter, *http.Request, http.Handler) {
	return func(t *testing.T, g *rig, w http.ResponseWriter, r *http.Request, honest http.Handler) {
		recorded := record(honest, r)
		replay(w, recorded, edited(t, recorded.Body.Bytes(), func(o map[string]any) {
			entry, proof := entryOf(t, g, o)
			edit(g, entry, proof)
		}))
	}
}

// setCheckpoint replaces the checkpoint of a proof.
func setCheckpoint(g *rig, proof map[string]any, checkpoint string) {
	if g.generation == fakeca.RekorV2 {
		proof["checkpoint"].(map[string]any)["envelope"] = checkpoint
		return
	}
	proof["checkpoint"] = checkpoint
}

// withOld changes an entry by means of the checkpoint before it.
func withOld(edit func(g *rig, proof map[string]any, old string)) func(*testing.T, *rig, http.ResponseWriter, *http.Request, http.Handler) {
	return func(t *testing.T, g *rig, w http.ResponseWriter, r *http.Request, honest http.Handler) {
		old, err := g.authority.Checkpoint()
		if err != nil {
			t.Error(err)
		}
		editEntry(func(g *rig, _, proof map[string]any) { edit(g, proof, string(old)) })(t, g, w, r, honest)
	}
}

func logLies() []lie {
	v1, v2 := []fakeca.Generation{fakeca.RekorV1}, []fakeca.Generation{fakeca.RekorV2}
	return []lie{
		{
			name: "checkpoint from before the entry", step: checking, words: "inclusion proof is for tree size 2, its checkpoint for 1",
			answer: withOld(func(g *rig, proof map[string]any, old string) { setCheckpoint(g, proof, old) }),
		}, {
			name: "index outside the tree", step: checking, words: "this signature is not in the log as it claims",
			answer: withOld(func(g *rig, proof map[string]any, old string) {
				root, err := base64.StdEncoding.DecodeString(strings.Split(old, "\n")[2])
				if err != nil {
					panic(err)
				}
				setCheckpoint(g, proof, old)
				if g.generation == fakeca.RekorV2 {
					proof["treeSize"], proof["rootHash"] = "1", root
				} else {
					proof["treeSize"], proof["rootHash"] = 1, hexOf(root)
				}
				proof["hashes"] = []string{}
			}),
		}, {
			name: "checkpoint by somebody else", step: checking, words: "no signature by this log",
			answer: editEntry(func(g *rig, _, proof map[string]any) {
				setCheckpoint(g, proof, signedByOther(checkpointOf(g, proof)))
			}),
		}, {
			name: "checkpoint without signature", step: checking, words: "note has no signatures",
			answer: editEntry(func(g *rig, _, proof map[string]any) {
				text, _, _ := strings.Cut(checkpointOf(g, proof), "\n\n")
				setCheckpoint(g, proof, text+"\n")
			}),
		}, {
			name: "no checkpoint", step: checking, words: "the inclusion proof has no checkpoint",
			answer: editEntry(func(_ *rig, _, proof map[string]any) { delete(proof, "checkpoint") }),
		}, {
			name: "no body", step: recording, words: "reading the answer of Rekor at http://127.0.0.1",
			answer: editEntry(func(_ *rig, entry, _ map[string]any) { delete(entry, "body"); delete(entry, "canonicalizedBody") }),
		}, {
			name: "body with another spelling", step: recording, words: "reading the answer of Rekor at http://127.0.0.1",
			answer: editEntry(func(g *rig, entry, _ map[string]any) {
				name := "body"
				if g.generation == fakeca.RekorV2 {
					name = "canonicalizedBody"
				}
				body, err := base64.StdEncoding.DecodeString(entry[name].(string))
				if err != nil {
					panic(err)
				}
				entry[name] = append(body, ' ')
			}),
		}, {
			name: "index of another entry", only: v1, step: checking, words: "verifying signed entry timestamp: signature is wrong",
			answer: editEntry(func(_ *rig, entry, _ map[string]any) { entry["logIndex"] = 1 << 20 }),
		}, {
			name: "index of another entry", only: v2, step: checking, words: "entry has index 0, its inclusion proof 1",
			answer: editEntry(func(_ *rig, entry, _ map[string]any) { entry["logIndex"] = "0" }),
		}, {
			name: "promise of another entry", only: v1, step: checking, words: "verifying signed entry timestamp: signature is wrong",
			answer: func(t *testing.T, g *rig, w http.ResponseWriter, r *http.Request, honest http.Handler) {
				other, err := g.authority.Entry(r.Context(), 0)
				if err != nil {
					t.Error(err)
				}
				editEntry(func(_ *rig, entry, _ map[string]any) {
					entry["verification"].(map[string]any)["signedEntryTimestamp"] = other.Promise
				})(t, g, w, r, honest)
			},
		}, {
			name: "no integrated time", only: v1, step: checking, words: "verifying signed entry timestamp: signature is wrong",
			answer: editEntry(func(_ *rig, entry, _ map[string]any) { entry["integratedTime"] = 0 }),
		}, {
			name: "id of another entry", only: v1, step: recording, words: "reading the answer of Rekor at http://127.0.0.1",
			answer: func(t *testing.T, g *rig, w http.ResponseWriter, r *http.Request, honest http.Handler) {
				recorded := record(honest, r)
				replay(w, recorded, edited(t, recorded.Body.Bytes(), func(o map[string]any) {
					for id, entry := range o {
						delete(o, id)
						o[id[:len(id)-64]+strings.Repeat("a", 64)] = entry
					}
				}))
			},
		}, {
			name: "log unknown to the trusted root", step: checking, words: "is not in the trusted root",
			answer: editEntry(func(g *rig, entry, _ map[string]any) {
				id := sha256.Sum256(nil)
				if g.generation == fakeca.RekorV1 {
					entry["logID"] = hexOf(id[:])
				} else {
					entry["logId"] = map[string]any{"keyId": id[:]}
				}
			}),
		}, {
			name: "conflict with an entry of somebody else", step: recording, words: "its entry is not for this signature",
			answer: func(_ *testing.T, g *rig, w http.ResponseWriter, r *http.Request, _ http.Handler) {
				other, err := g.authority.Entry(r.Context(), 0)
				if err != nil {
					panic(err)
				}
				w.Header().Set("Location", "/api/v1/log/entries/"+other.ID)
				w.Header().Set("X-Log-Index", "0")
				w.WriteHeader(http.StatusConflict)
			},
		}, {
			name: "conflict with an entry that is not there", step: recording, words: "http://127.0.0.1 has the entry already",
			answer: func(_ *testing.T, _ *rig, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				w.Header().Set("Location", "/api/v1/log/entries/"+strings.Repeat("a", 64))
				w.Header().Set("X-Log-Index", "7")
				w.WriteHeader(http.StatusConflict)
			},
		}, {
			name: "conflict with nothing", step: recording, words: "Rekor at http://127.0.0.1/api/",
			answer: func(_ *testing.T, _ *rig, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				w.WriteHeader(http.StatusConflict)
			},
		}, {
			name: "entry twice", only: v1, step: recording, words: "duplicate entry",
			answer: func(_ *testing.T, _ *rig, w http.ResponseWriter, r *http.Request, honest http.Handler) {
				recorded := record(honest, r)
				text := bytes.TrimSpace(recorded.Body.Bytes())
				inside := text[1 : len(text)-1]
				replay(w, recorded, []byte("{"+string(inside)+","+string(inside)+"}"))
			},
		},
	}
}

func checkpointOf(g *rig, proof map[string]any) string {
	if g.generation == fakeca.RekorV2 {
		return proof["checkpoint"].(map[string]any)["envelope"].(string)
	}
	return proof["checkpoint"].(string)
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// signedByOther returns a checkpoint of the same tree by another key of the same
// name.
func signedByOther(checkpoint string) string {
	text, signature, _ := strings.Cut(checkpoint, "\n\n")
	key, _, err := note.GenerateKey(rand.Reader, strings.Fields(signature)[1])
	if err != nil {
		panic(err)
	}
	s, err := note.NewSigner(key)
	if err != nil {
		panic(err)
	}
	signed, err := note.Sign(&note.Note{Text: text + "\n"}, s)
	if err != nil {
		panic(err)
	}
	return string(signed)
}
