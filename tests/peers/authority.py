"""Certificates, made by openssl: an authority, and what it signs."""

import datetime
import pathlib
import subprocess

import stage

HOST = "subjectAltName = DNS:localhost, IP:127.0.0.1\nbasicConstraints = critical, CA:false\n"


def openssl(*words):
    argv = [stage.need("openssl"), *map(str, words)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    stage.check(done.returncode == 0, f"openssl {words[0]}: {done.stderr}")
    return done.stdout


class Authority:
    def __init__(self, folder, name="authority"):
        self.folder, self.name = pathlib.Path(folder), name
        self.path = self.folder / f"{name}.pem"
        self.key = self.folder / f"{name}.key"
        self.serial = 0
        settings = self.settings(name, "basicConstraints = critical, CA:true\nkeyUsage = keyCertSign, cRLSign, digitalSignature\n")
        openssl("req", "-x509", *self.new_key("ec", self.key), "-days", 30, "-subj", f"/CN={name}", "-config", settings,
                "-out", self.path)

    def settings(self, name, extensions):
        path = self.folder / f"{name}.cnf"
        path.write_text(f"[req]\ndistinguished_name = dn\nx509_extensions = ext\n[dn]\n[ext]\n{extensions}")
        return path

    @staticmethod
    def new_key(kind, path):
        words = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256") if kind == "ec" else ("rsa:2048",)
        return ("-newkey", *words, "-nodes", "-keyout", path)

    def issue(self, name, kind="ec", extensions=HOST, days=30):
        """A certificate and its key in one file."""
        self.serial += 1
        key, request, path = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        settings = self.settings(name, extensions)
        openssl("req", *self.new_key(kind, key), "-subj", f"/CN={name}", "-config", settings, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key, "-set_serial", self.serial, "-days", days,
                "-extfile", settings, "-extensions", "ext", "-out", path)
        path.write_text(path.read_text() + key.read_text())
        # Beside a certificate its key would be a second one.
        key.unlink()
        return path

    def staple(self, certificate):
        """A word of OCSP that the certificate is good, beside it."""
        index, request, out = self.folder / "index", self.folder / "request", certificate.with_suffix(".ocsp")
        serial = openssl("x509", "-in", certificate, "-noout", "-serial").strip().partition("=")[2]
        expiry = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)).strftime("%y%m%d%H%M%SZ")
        index.write_text(f"V\t{expiry}\t\t{serial}\tunknown\t/CN=localhost\n")
        openssl("ocsp", "-issuer", self.path, "-cert", certificate, "-no_nonce", "-reqout", request)
        openssl("ocsp", "-index", index, "-CA", self.path, "-rsigner", self.path, "-rkey", self.key, "-reqin", request,
                "-respout", out, "-ndays", 7)
        return out
