# Sourced by what lays bare distributions.

# mirror_of SUITE FOLDER: prints the first of this machine's apt sources that has the suite; the folder is for scratch.
mirror_of() {
    local suite=$1 folder=$2 mirror
    while read -r mirror; do
        if /usr/lib/apt/apt-helper download-file "${mirror%/}/dists/$suite/Release" "$folder/release" >/dev/null 2>&1; then
            echo "$mirror"
            return
        fi
    done < <(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' | sed -nE 's/^(Debian|Ubuntu) //p' | sort -u)
    return 1
}
