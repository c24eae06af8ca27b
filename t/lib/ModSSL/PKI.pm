package ModSSL::PKI;

=head1 NAME

ModSSL::PKI - the certificates, keys and lists that the tests use

=head1 SYNOPSIS

    use ModSSL::PKI qw(pki_dir pki_file make_cert make_crl PASS PASS2);

    my $cert = pki_file('rsa.crt');              # absolute path; makes the PKI when needed
    my $dir  = "$somewhere/mine";                # a certificate of one test's own:
    make_cert(dir => $dir, name => 'x', cn => 'x.test', san => ['DNS:x.test'],
              ca => 'inter', key => 'ec', days => 30, ext => ['authorityInfoAccess=OCSP;URI:http://...']);

=head1 FILES

The PKI is made once into C<$MODSSL_PKI> (or F<t/pki>). All keys are RSA-2048 unless noted; every
C<NAME> below has F<NAME.crt>, F<NAME.key> and F<NAME.pem> (certificate and key in one file).

  ca            root CA "CN=Test Root CA" (ca.index, ca.crl too)
  inter         intermediate CA under ca, "CN=Test Intermediate CA" (inter.crl)
  ca2           an unrelated root CA "CN=Other Root CA"
  rsa           CN=rsa.test; SAN rsa.test localhost *.wild.test 127.0.0.1        (issuer ca)
  ecdsa         CN=ecdsa.test, P-256; SAN as rsa with ecdsa.test
  p384 ed25519  CN=NAME.test; likewise
  rsapss        CN=rsapss.test; an RSASSA-PSS key
  chain         CN=chain.test, issued by inter; chain.crt holds leaf then inter; chain-leaf.crt the leaf alone
  a b c         CN=a.test ...; SAN the same name; P-256 keys
  other         CN=other.test, issued by ca2
  expired notyet selfsigned weak    (weak = RSA-1024)
  client        C=GB ST=Teststate L=Testtown O=Test Org OU=Test Unit CN=Test Client
                emailAddress=client@example.test; SAN email, DNS:client.test, msUPN client@upn.test
  client-ec     CN=EC Client, P-256          client-inter   CN=Inter Client, issued by inter
  client2       CN=Foreign Client, by ca2    client-expired, client-revoked (listed in ca.crl)
  client-self   self-signed client
  proxy         CN=proxy.test, client certificate for SSLProxyMachineCertificateFile

  rsa.crt.der rsa.key.der ecdsa.crt.der      DER forms
  rsa-enc.key   rsa.key under PASS           ecdsa-enc.key  ecdsa.key under PASS2
  mismatch.key  a key that belongs to no certificate
  garbage.pem   PEM armour around nonsense   empty.pem      nothing at all
  bundle.crt    ca + inter + ca2             ca-inter.crt   ca + inter
  ca-dir/       ca and inter, hashed         crl-dir/       ca.crl and inter.crl, hashed
  ca-and-inter.crl  both lists in one file   dh.pem         ffdhe2048

=cut

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(:flock);
use File::Path qw(make_path remove_tree);
use File::Spec;
use File::Basename qw(dirname);
use POSIX qw(strftime);

use constant PASS  => 'first pass phrase';
use constant PASS2 => 'second-pass-phrase';

our @EXPORT_OK = qw(pki_dir pki_file make_cert make_crl make_key openssl slurp spew PASS PASS2);

# Raise this whenever the set of files changes, so that cached copies are made anew.
my $GENERATION = 5;

my $HERE = File::Spec->rel2abs(dirname(__FILE__));

sub pki_dir {
    my $dir = $ENV{MODSSL_PKI} || File::Spec->catdir(dirname(dirname($HERE)), 'pki');
    ensure($dir);
    return $dir;
}

sub pki_file {
    my ($name) = @_;
    my $file = pki_dir() . "/$name";
    -e $file or die "no such file in the test PKI: $name\n";
    return $file;
}

sub slurp {
    my ($file) = @_;
    open my $fh, '<', $file or die "cannot read $file: $!\n";
    local $/;
    my $text = <$fh>;
    return defined $text ? $text : '';
}

sub spew {
    my ($file, @text) = @_;
    open my $fh, '>', $file or die "cannot write $file: $!\n";
    print {$fh} @text;
    close $fh or die "cannot write $file: $!\n";
    return $file;
}

# Runs openssl and dies with its output when it fails. Returns stdout and stderr.
sub openssl {
    my @args = @_;
    my $pid = open my $fh, '-|';
    defined $pid or die "fork: $!\n";
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        { exec 'openssl', @args }
        POSIX::_exit(127);
    }
    local $/;
    my $out = <$fh>;
    close $fh or die "openssl @args failed:\n$out\n";
    return $out;
}

my %verified;

sub ensure {
    my ($dir) = @_;
    return if $verified{$dir};
    my $stamp = "$dir/.generation";
    if (!(-e $stamp && slurp($stamp) eq $GENERATION)) {
        make_path($dir);
        open my $lock, '>>', "$dir.lock" or die "cannot lock $dir: $!\n";
        flock $lock, LOCK_EX;
        if (!(-e $stamp && slurp($stamp) eq $GENERATION)) {
            remove_tree($dir, { keep_root => 1 });
            build($dir);
            spew($stamp, $GENERATION);
        }
    }
    $verified{$dir} = 1;
    return;
}

my %KEYGEN = (
    rsa     => [ '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048' ],
    weak    => [ '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024' ],
    rsapss  => [ '-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048' ],
    ec      => [ '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256' ],
    p384    => [ '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384' ],
    ed25519 => [ '-algorithm', 'ED25519' ],
    p192    => [ '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:prime192v1' ],
    p521    => [ '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521' ],
    ed448   => [ '-algorithm', 'ED448' ],
);

sub make_key {
    my ($file, $type) = @_;
    my $args = $KEYGEN{$type} or die "unknown key type $type\n";
    openssl('genpkey', @$args, '-out', $file);
    chmod 0644, $file;    # the unprivileged server user reads it; it guards nothing
    return $file;
}

# The configuration of `openssl ca` for the authority NAME, whose files live in DIR.
sub ca_config {
    my ($dir, $name) = @_;
    return <<"CNF";
[ca]
default_ca = this
[this]
database = $dir/$name.index
serial = $dir/$name.serial
new_certs_dir = $dir/newcerts
certificate = $dir/$name.crt
private_key = $dir/$name.key
default_md = sha256
default_crl_days = 3650
policy = any
unique_subject = no
email_in_dn = yes
rand_serial = yes
[any]
countryName = optional
stateOrProvinceName = optional
localityName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
emailAddress = optional
CNF
}

sub stamp_time { return strftime('%Y%m%d%H%M%SZ', gmtime $_[0]) }

=head1 FUNCTIONS

=head2 make_cert(%options)

Makes C<dir/name.{key,crt,pem}>. Options: C<name>, C<cn> or C<subject> ("/C=.../CN=..."), C<san>
(list of "DNS:x" ...), C<ca> ("ca", "inter", "ca2", or "self"), C<key> (rsa, ec, p192, p384, p521, ed25519, ed448,
rsapss, weak) or C<keyfile>, C<type> (server, client, ca, any), C<start>/C<end> (seconds from now),
C<days>, C<ext> (more "name=value" extension lines), C<eku> (extendedKeyUsage instead of the type's; '' for
none), C<md> (default sha256), C<issuer> (a name in C<dir> made by make_cert, instead of C<ca>), C<dir> (default: the PKI itself).
Returns the path of the certificate.

=cut

sub make_cert {
    my %o = (ca => 'ca', key => 'rsa', type => 'server', start => -86400, days => 3650, @_);
    my $pki = $o{pki} || pki_dir();
    my $dir = $o{dir} || $pki;
    make_path($dir);
    my $base = "$dir/$o{name}";
    my $subject = $o{subject} || '/CN=' . (defined $o{cn} ? $o{cn} : "$o{name}.test");
    if ($o{keyfile}) {
        spew("$base.key", slurp($o{keyfile}));
    }
    else {
        make_key("$base.key", $o{key});
    }

    my %usage = (server => 'serverAuth', client => 'clientAuth', any => 'serverAuth,clientAuth');
    my @ext = $o{type} eq 'ca'
        ? ('basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature')
        : ('basicConstraints=CA:FALSE');
    my $eku = defined $o{eku} ? $o{eku} : $usage{ $o{type} };
    push @ext, "extendedKeyUsage=$eku" if $eku;
    push @ext, 'subjectKeyIdentifier=hash';
    push @ext, 'authorityKeyIdentifier=keyid' if $o{ca} ne 'self';
    push @ext, 'subjectAltName=' . join ',', @{ $o{san} } if $o{san} && @{ $o{san} };
    push @ext, @{ $o{ext} } if $o{ext};
    spew("$base.ext", "[e]\n", map { "$_\n" } @ext);

    my $end = defined $o{end} ? $o{end} : $o{days} * 86400;
    my @dates = ('-startdate', stamp_time(time + $o{start}), '-enddate', stamp_time(time + $end));
    openssl('req', '-new', '-config', '/etc/ssl/openssl.cnf', '-key', "$base.key",
            '-subj', $subject, '-utf8', '-out', "$base.csr");

    # `openssl ca` keeps a database: two tests must not write it at the same time.
    my $authority = $o{ca};
    my $home = $pki;
    ($authority, $home) = ($o{issuer}, $dir) if $o{issuer};
    if ($authority eq 'self') {
        ($authority, $home) = ($o{name}, $dir);
    }
    spew("$home/$authority.index", '') if !-e "$home/$authority.index";
    spew("$base.cnf", ca_config($home, $authority));
    make_path("$home/newcerts");
    open my $lock, '>>', "$home/$authority.lock" or die "cannot lock: $!\n";
    flock $lock, LOCK_EX;
    openssl('ca', '-batch', '-config', "$base.cnf", '-notext', '-preserveDN', '-in', "$base.csr",
            '-md', $o{md} || 'sha256', '-out', "$base.crt", '-extfile', "$base.ext", '-extensions', 'e', @dates,
            $o{ca} eq 'self' ? ('-selfsign', '-keyfile', "$base.key") : ());
    close $lock;
    spew("$base.pem", slurp("$base.crt"), slurp("$base.key"));
    unlink "$base.csr", "$base.ext", "$base.cnf";
    return "$base.crt";
}

=head2 make_crl($ca, $file, revoke => [certs])

Writes the revocation list of one of the PKI's authorities after revoking the certificates given.

=cut

sub make_crl {
    my ($ca, $file, %o) = @_;
    my $pki = $o{pki} || pki_dir();
    my $cnf = spew("$file.cnf", ca_config($pki, $ca));
    open my $lock, '>>', "$pki/$ca.lock" or die "cannot lock: $!\n";
    flock $lock, LOCK_EX;
    openssl('ca', '-config', $cnf, '-revoke', $_) for @{ $o{revoke} || [] };
    openssl('ca', '-config', $cnf, '-gencrl', '-out', $file, @{ $o{args} || [] });
    unlink $cnf;
    return $file;
}

sub build {
    my ($d) = @_;
    my $year = 365 * 86400;
    my @local = ('DNS:localhost', 'DNS:*.wild.test', 'IP:127.0.0.1');
    my $new = sub { make_cert(pki => $d, dir => $d, @_) };

    $new->(name => 'ca',    ca => 'self', type => 'ca', cn => 'Test Root CA');
    $new->(name => 'ca2',   ca => 'self', type => 'ca', cn => 'Other Root CA');
    $new->(name => 'inter', ca => 'ca',   type => 'ca', cn => 'Test Intermediate CA');

    for (['rsa', 'rsa'], ['ecdsa', 'ec'], ['p384', 'p384'], ['ed25519', 'ed25519'], ['rsapss', 'rsapss']) {
        my ($name, $key) = @$_;
        $new->(name => $name, key => $key, san => ["DNS:$name.test", @local]);
    }
    $new->(name => $_, key => 'ec', san => ["DNS:$_.test"]) for qw(a b c);
    $new->(name => 'other', ca => 'ca2', san => ['DNS:other.test', @local]);
    $new->(name => 'expired', start => -2 * $year, end => -$year, san => ['DNS:expired.test', @local]);
    $new->(name => 'notyet', start => $year, end => 2 * $year, san => ['DNS:notyet.test', @local]);
    $new->(name => 'selfsigned', ca => 'self', san => ['DNS:selfsigned.test', @local]);
    $new->(name => 'weak', key => 'weak', san => ['DNS:weak.test', @local]);

    $new->(name => 'chain', ca => 'inter', san => ['DNS:chain.test', @local]);
    rename "$d/chain.crt", "$d/chain-leaf.crt" or die "rename: $!\n";
    spew("$d/chain.crt", slurp("$d/chain-leaf.crt"), slurp("$d/inter.crt"));
    spew("$d/chain.pem", slurp("$d/chain.crt"), slurp("$d/chain.key"));

    $new->(name => 'client', type => 'client',
           subject => '/C=GB/ST=Teststate/L=Testtown/O=Test Org/OU=Test Unit/CN=Test Client'
                    . '/emailAddress=client@example.test',
           san => ['email:client@example.test', 'DNS:client.test',
                   'otherName:1.3.6.1.4.1.311.20.2.3;UTF8:client@upn.test']);
    $new->(name => 'client-ec', key => 'ec', type => 'client', cn => 'EC Client');
    $new->(name => 'client-inter', ca => 'inter', type => 'client', cn => 'Inter Client');
    $new->(name => 'client2', ca => 'ca2', type => 'client', cn => 'Foreign Client');
    $new->(name => 'client-self', ca => 'self', type => 'client', cn => 'Self Client');
    $new->(name => 'client-expired', type => 'client', cn => 'Expired Client', start => -2 * $year, end => -$year);
    $new->(name => 'client-revoked', type => 'client', cn => 'Revoked Client');
    $new->(name => 'proxy', type => 'client', cn => 'proxy.test');

    openssl('x509', '-in', "$d/$_.crt", '-outform', 'DER', '-out', "$d/$_.crt.der") for qw(rsa ecdsa);
    openssl('pkey', '-in', "$d/rsa.key", '-outform', 'DER', '-out', "$d/rsa.key.der");
    for (['rsa', PASS], ['ecdsa', PASS2]) {
        my ($name, $phrase) = @$_;
        openssl('pkey', '-in', "$d/$name.key", '-aes256', '-passout', "pass:$phrase", '-out', "$d/$name-enc.key");
    }
    make_key("$d/mismatch.key", 'rsa');
    spew("$d/garbage.pem", "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n");
    spew("$d/empty.pem", '');
    spew("$d/bundle.crt", map { slurp("$d/$_.crt") } qw(ca inter ca2));
    spew("$d/ca-inter.crt", map { slurp("$d/$_.crt") } qw(ca inter));

    make_crl('ca', "$d/ca.crl", pki => $d, revoke => ["$d/client-revoked.crt"]);
    make_crl('inter', "$d/inter.crl", pki => $d);
    spew("$d/ca-and-inter.crl", map { slurp("$d/$_.crl") } qw(ca inter));
    make_path("$d/ca-dir", "$d/crl-dir");
    spew("$d/ca-dir/$_.pem", slurp("$d/$_.crt")) for qw(ca inter);
    spew("$d/crl-dir/$_.pem", slurp("$d/$_.crl")) for qw(ca inter);
    openssl('rehash', "$d/$_") for qw(ca-dir crl-dir);
    openssl('genpkey', '-genparam', '-algorithm', 'DH', '-pkeyopt', 'group:ffdhe2048', '-out', "$d/dh.pem");
    chmod 0644, glob "$d/*.key $d/*.pem";
    return;
}

1;
