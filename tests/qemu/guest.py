"""A virtual machine that is this host once more, under Debian's kernel and with PCI devices of its own: QEMU without KVM,
the host's / read-only over 9p with a layer in memory above. No image is built; what runs in it is what is installed here."""
import gzip
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
CACHE = TOP / "build/qemu"
QEMU = "qemu-system-x86_64"
# In the order of loading; what they depend on is found by modinfo.
MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "tun", "vfio-pci", "vfio_iommu_type1", "8021q", "veth"]
MEMORY_MIB, HUGEPAGES = 2048, 320
BOOT_SECONDS, COMMAND_SECONDS = 120, 120


def missing():
    """What a guest needs and this host lacks, in words; None when it has everything."""
    if platform.machine() != "x86_64":
        return "the guest is for x86-64"
    for program, package in ((QEMU, "qemu-system-x86"), ("busybox", "busybox-static"), ("cpio", "cpio")):
        if shutil.which(program) is None:
            return f"{program} is missing; run: scripts/install-packages qemu"
    return None


def run(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, **options)


def kernel():
    """Debian's kernel, unpacked from its package and kept in build/qemu; (image, folder of modules)."""
    unpacked = CACHE / "kernel"
    if not list(unpacked.glob("boot/vmlinuz-*")):
        shutil.rmtree(unpacked, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        depends = run("apt-cache", "depends", "linux-image-amd64", capture_output=True, text=True).stdout
        package = next(line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line)
        run("apt-get", "download", package, cwd=CACHE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        [deb] = CACHE.glob(f"{package}_*.deb")
        run("dpkg-deb", "-x", deb, unpacked)
        deb.unlink()
    [image] = unpacked.glob("boot/vmlinuz-*")
    [modules] = unpacked.glob("lib/modules/*")
    return image, modules


def module_files(folder):
    """Paths of MODULES and all they depend on, each after what it depends on."""
    by_name = {path.name.removesuffix(".ko").replace("-", "_"): path for path in folder.rglob("*.ko")}
    ordered = []

    def add(name):
        path = by_name.get(name.replace("-", "_"))
        if path is None or path in ordered:
            return  # built in, or there already
        depends = run("modinfo", "-F", "depends", path, capture_output=True, text=True).stdout.strip()
        for other in filter(None, depends.split(",")):
            add(other)
        ordered.append(path)

    for module in MODULES:
        add(module)
    return ordered


def make_initramfs(folder, modules):
    root = folder / "initramfs"
    for part in ("bin", "modules"):
        (root / part).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), root / "bin/busybox")
    shutil.copy(HERE / "init", root / "init")
    files = module_files(modules)
    for path in files:
        shutil.copy(path, root / "modules" / path.name)
    (root / "modules/order").write_text("".join(f"{path.name}\n" for path in files))
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = run("cpio", "-o", "-H", "newc", "--quiet", cwd=root, input=names.encode(), capture_output=True).stdout
    image = folder / "initramfs.gz"
    image.write_bytes(gzip.compress(archive, compresslevel=1))
    return image


class Guest:
    """Boots at once, in a network namespace of the host. `devices`: further words for QEMU."""

    def __init__(self, folder, namespace, devices):
        self.folder, self.shared = folder, folder / "shared"
        self.shared.mkdir()
        self.commands = 0
        image, modules = kernel()
        words = ["ip", "netns", "exec", namespace, QEMU, "-machine", "q35", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB), "-nographic", "-no-reboot",
                 "-nodefaults", "-serial", f"file:{folder / 'console.log'}", "-device", "intel-iommu",
                 "-kernel", str(image), "-initrd", str(make_initramfs(folder, modules)), "-append",
                 f"console=ttyS0 quiet panic=-1 no_timer_check intel_iommu=on iommu=pt hugepages={HUGEPAGES}",
                 "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
                 "-virtfs", f"local,path={self.shared},mount_tag=shared,security_model=none", *devices]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(folder / "qemu.log", "wb"))

    def wait_up(self):
        self.wait_for(self.shared / "up", BOOT_SECONDS, "the guest does not boot")

    def wait_for(self, path, seconds, problem):
        deadline = time.monotonic() + seconds
        while not path.exists():
            assert self.process.poll() is None, f"QEMU ended with {self.process.returncode}\n{self.logs()}"
            assert time.monotonic() < deadline, f"{problem} within {seconds} s\n{self.logs()}"
            time.sleep(0.05)

    def run(self, script, check=True, seconds=COMMAND_SECONDS):
        """A shell script inside; its output."""
        base = self.shared / str(self.commands)
        self.commands += 1
        base.with_suffix(".sh").write_text(script)
        base.with_suffix(".go").touch()
        self.wait_for(base.with_suffix(".rc"), seconds, f"this does not end:\n{script}\n")
        output = base.with_suffix(".out").read_text(errors="replace")
        status = int(base.with_suffix(".rc").read_text())
        assert not check or status == 0, f"{script}\nexit status {status}\n{output}\n{self.logs()}"
        return output

    def logs(self):
        return "\n".join(f"--- {name}\n{(self.folder / name).read_text(errors='replace')[-4000:]}"
                         for name in ("console.log", "qemu.log") if (self.folder / name).exists())

    def stop(self):
        self.process.kill()
        self.process.wait()
