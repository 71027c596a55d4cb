#!/usr/bin/env python3
"""Vérifie un journal de Melouvert, sans Melouvert.

Usage :
    melouvert journal show --siren 211401187 -o json | python3 verifier-journal.py
    python3 verifier-journal.py journal.json

Chaque entrée porte l'empreinte SHA-256 du JSON canonique (clés triées, aucun blanc, UTF-8) de tous
ses autres champs, dont l'empreinte de l'entrée précédente (64 zéros pour la première). Ce programme
les recalcule toutes et nomme le premier maillon rompu.

Code de sortie : 0 intact, 1 rompu, 2 fichier illisible.
"""

import hashlib
import json
import sys

GENESE = "0" * 64
CHAMPS = ("seq", "at", "actor", "action", "subject", "detail", "previous")


def empreinte(entree):
    """L'empreinte que le contenu d'une entrée doit donner."""
    contenu = {champ: entree[champ] for champ in CHAMPS}
    texte = json.dumps(contenu, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(texte.encode("utf-8")).hexdigest()


def verifier(entrees):
    """Renvoie (None, empreinte de tête) ou (numéro du maillon rompu, raison)."""
    precedente = GENESE
    for attendu, entree in enumerate(entrees, start=1):
        if entree["seq"] != attendu:
            return attendu, f"l'entrée manque (trouvé le numéro {entree['seq']})"
        if entree["previous"] != precedente:
            return attendu, "elle ne suit pas l'entrée précédente"
        if entree["hash"] != empreinte(entree):
            return attendu, "son contenu ne donne pas son empreinte : il a été modifié"
        precedente = entree["hash"]
    return None, precedente


def main(arguments):
    try:
        if len(arguments) > 1:
            with open(arguments[1], encoding="utf-8") as fichier:
                entrees = json.load(fichier)
        else:
            entrees = json.loads(sys.stdin.buffer.read().decode("utf-8"))
        rompu, raison = verifier(entrees)
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as erreur:
        print(f"fichier illisible : {erreur!r}", file=sys.stderr)
        print("attendu : la sortie de « melouvert journal show -o json »", file=sys.stderr)
        return 2
    if rompu is not None:
        print(f"ROMPU au maillon {rompu} : {raison}", file=sys.stderr)
        return 1
    print(f"intact : {len(entrees)} entrées, tête {raison}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
