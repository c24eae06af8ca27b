# Certificates that clients will not like: each is warned of at start, once, with file, line and virtual host; a good one
# is not.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(ours_only);
use ModSSL::PKI qw(make_cert pki_file slurp spew);

ours_only('the stock module only knows of CA certificates and of ServerName');

my $DAY = 86400;
my $h   = ModSSL::Httpd->new(name => 'check-certs', env => { SSL_CERT_FILE => pki_file('bundle.crt') });
my $dir = $h->root . '/certs';
my $AIA = 'authorityInfoAccess=caIssuers;URI:http://ca.test/inter.crt';

make_cert(dir => $dir, name => 'weak-ca', ca => 'self', type => 'ca', cn => 'Weak CA');
make_cert(dir => $dir, name => 'sha1-inter', type => 'ca', issuer => 'weak-ca', md => 'sha1', cn => 'SHA-1 CA');
make_cert(dir => $dir, name => 'old-inter', type => 'ca', cn => 'Old CA', start => -90 * $DAY, end => -$DAY);
make_cert(dir => $dir, name => 'unknown', ca => 'self', type => 'ca', cn => 'Unknown Root');
make_cert(dir => $dir, name => 'unknown-inter', issuer => 'unknown', type => 'ca', cn => 'Unknown Inter');

sub pem   { my ($name) = @_; return slurp("$dir/$name.crt") }
sub inter { return slurp(pki_file('inter.crt')) }

# name => [options of make_cert, lines that must appear for it (and no others), { files => what follows the certificate,
# lines => more directives }]
my @cases = (
    [good => [], []],
    [wildcard => [san => ['DNS:*.wildcard.test', 'DNS:wildcard.test']], [], { lines => "ServerAlias www.wildcard.test *.wildcard.test w*d.other.test" }],
    [address => [san => ['DNS:address.test', 'IP:192.0.2.7', 'IP:2001:db8::1']], [], { lines => 'ServerAlias 192.0.2.7 [2001:db8::1]' }],
    [anyeku => [eku => 'anyExtendedKeyUsage'], []],
    [noeku => [eku => ''], []],
    [nssgc => [eku => 'nsSGC'], []],
    [mssgc => [eku => 'msSGC'], []],
    [short => [start => -3 * $DAY, end => 4 * $DAY], []],
    [expired => [start => -90 * $DAY, end => -$DAY], [qr/warn\].* has expired on \w+ .* GMT.*renew it/]],
    [later => [start => 10 * $DAY], [qr/warn\].* is not yet valid: it begins on .* GMT/]],
    [soon => [start => -300 * $DAY, end => 20 * $DAY + 3600], [qr/warn\].* expires on .* GMT, in 20 days; renew it/]],
    [shortsoon => [start => -5 * $DAY, end => $DAY + 3600], [qr/warn\].* in 1 days/]],
    [rsa1024 => [key => 'weak'], [qr/warn\].* weak key: RSA of 1024 bits.*2048/]],
    [p192 => [key => 'p192'], [qr/warn\].* weak key: a curve of 192 bits/]],
    [sha1 => [md => 'sha1'], [qr/warn\].* is signed with SHA1.*SHA-256/]],
    [md5 => [md => 'md5'], [qr/warn\].* is signed with MD5/]],
    [isca => [type => 'ca'], [qr/warn\].*AH01906: .* CA certificate/]],
    [client => [type => 'client'], [qr/warn\].* lacks serverAuth/]],
    [encipher => [ext => ['keyUsage=keyEncipherment']], [qr/warn\].* lacks digitalSignature/]],
    [cnonly => [san => []], [qr/warn\].* has no subjectAltName.*CN=cnonly\.test/]],
    [othername => [san => ['DNS:nobody.test']], [qr/warn\].*AH01909: .* matches ServerName othername\.test \(\S+httpd\.conf:\d+\)/]],
    [cnignored => [san => ['DNS:nobody.test'], cn => 'cnignored.test'], [qr/AH01909: .* ServerName cnignored\.test/]],
    [alias => [], [qr/warn\].*AH01909: .* matches ServerAlias more\.alias\.test \(\S+:\d+\), ServerAlias \*\.none\.test \(\S+:\d+\):/],
        { lines => 'ServerAlias more.alias.test *.none.test' }],
    [deep => [san => ['DNS:*.deep.test', 'DNS:deep.test']], [qr/AH01909: .* ServerAlias a\.b\.deep\.test/], { lines => 'ServerAlias a.b.deep.test' }],
    [manynames => [], [qr/AH01909: .* ServerAlias a\.x .* ServerAlias c\.x \(\S+\) and 2 more:/], { lines => 'ServerAlias a.x b.x c.x d.x e.x' }],
    [staple => [ext => ['tlsfeature=status_request']], [qr/warn\].* demands OCSP stapling .* SSLUseStapling is off for staple\.test/]],
    [stapled => [ext => ['tlsfeature=status_request']], [qr/warn\].*AH02217: .*'\S+stapled\.crt'/], { lines => 'SSLUseStapling on' }],

    # chains
    [whole => [ca => 'inter'], [], { files => [inter()] }],
    [viasystem => [], []],
    [notroot => [ca => 'inter'], [qr/warn\].* is incomplete: it ends at 'CN=notroot\.test', whose issuer 'CN=Test Intermediate CA' is neither sent nor a root of/]],
    [sentbyca => [ca => 'inter'], [], { lines => "SSLCACertificateFile " . pki_file('inter.crt') }],
    [alone => [issuer => 'unknown-inter', ext => [$AIA]],
        [qr{warn\].* is incomplete: it ends at 'CN=alone\.test', whose issuer 'CN=Unknown Inter' .* append the intermediate.*\Q$dir\E/alone\.crt' \(to be had from http://ca\.test/inter\.crt\)}]],
    [noroot => [issuer => 'unknown-inter'], [qr/notice\].* is incomplete: it ends at 'CN=Unknown Inter', whose issuer 'CN=Unknown Root'/], { files => [pem('unknown-inter')] }],
    [withroot => [issuer => 'unknown-inter'], [qr/info\].* the root 'CN=Unknown Root' is sent needlessly/], { files => [pem('unknown-inter'), pem('unknown')] }],
    [order => [issuer => 'unknown-inter'], [qr/info\].* sent needlessly/, qr/warn\].* wrong order/], { files => [pem('unknown'), pem('unknown-inter')] }],
    [stranger => [], [qr/warn\].* 'CN=Test Intermediate CA' does not belong to it/], { files => [inter()] }],
    [twice => [ca => 'inter'], [qr/notice\].* 'CN=Test Intermediate CA' is sent twice/], { files => [inter(), inter()] }],
    [itself => [ca => 'inter'], [qr/notice\].* 'CN=itself\.test' is sent twice/], { files => ['SELF', inter()] }],
    [bysha1 => [issuer => 'sha1-inter'], [qr/warn\].*'CN=SHA-1 CA' in the chain in '\S+' is signed with SHA1/, qr/info\].*sent needlessly/],
        { files => [pem('sha1-inter'), pem('weak-ca')] }],
    [byold => [issuer => 'old-inter'], [qr/warn\].*'CN=Old CA' in the chain in '\S+' has expired/], { files => [pem('old-inter')] }],
    [chainfile => [ca => 'inter'], [qr/notice\].* SSLCertificateChainFile '\S+' has no effect for/], { files => [inter()], lines => "SSLCertificateChainFile " . pki_file('inter.crt') }],
    [viachainfile => [issuer => 'unknown-inter'], [qr/notice\].* is incomplete: it ends at 'CN=Unknown Inter'.*append this issuer's certificate to '\Q$dir\E\/unknown-inter\.crt'/],
        { lines => "SSLCertificateChainFile $dir/unknown-inter.crt" }],
    [viacafile => [issuer => 'unknown'], [], { lines => "SSLCACertificateFile $dir/unknown.crt" }],
);

my $config = "SSLCipherSuite ALL:\@SECLEVEL=0\nSSLStaplingCache shmcb:\@root\@/run/stapling(65536)\n";
for (@cases) {
    my ($name, $options, undef, $more) = @$_;
    make_cert(dir => $dir, name => $name, key => 'ec', san => ["DNS:$name.test"], @$options);
    my $leaf = slurp("$dir/$name.crt");
    spew("$dir/$name.crt", $leaf, map { $_ eq 'SELF' ? $leaf : $_ } @{ $more->{files} || [] });
    my $lines = $more->{lines} || '';
    $config .= <<"CONF";
<VirtualHost *:\@port:https\@>
    ServerName $name.test
    $lines
    SSLEngine on
    SSLCertificateFile    $dir/$name.crt
    SSLCertificateKeyFile $dir/$name.key
</VirtualHost>
CONF
}
# Two more hosts with certificates that were there before: no line of their own.
$config .= <<"CONF" for qw(expired alone);
<VirtualHost *:\@port:https\@>
    ServerName $_.test
    ServerPath /$_
    SSLEngine on
    SSLCertificateFile    $dir/$_.crt
    SSLCertificateKeyFile $dir/$_.key
</VirtualHost>
CONF
$h->config($config);
$h->start or die $h->why;

my @lines;
sub collect {
    my ($log) = @_;
    @lines = grep { /\[ssl:/ && /\Q$dir\E\// && !/AH02568|AH01914/ } split /\n/, $log;
    return;
}

sub check {
    for (@cases) {
        my ($name, undef, $expected) = @$_;
        my @of = grep { m{\Q$dir\E/\Q$name\E\.crt'} } @lines;
        subtest $name => sub {
            is(scalar @of, scalar @$expected, 'as many lines as there should be') or diag(join "\n", @of);
            for my $pattern (@$expected) {
                my @found = grep { /$pattern/ } @of;
                is(scalar @found, 1, "one line is like $pattern") or diag(join "\n", @of);
                like("@found", qr/httpd\.conf:\d+|'CN=/, 'with its place');
            }
        };
    }
    return;
}

collect($h->errorlog);
check();
my ($expired) = grep { m{/expired\.crt'.*has expired} } @lines;
like($expired, qr/; expired\.test:\d+, expired\.test:\d+\)/, 'hosts with one certificate share its line');

# A graceful restart says it again, once.
$h->log_mark;
$h->graceful or die $h->why;
collect($h->errorlog);
subtest 'after a graceful restart' => \&check;
unlike($h->errorlog, qr/exit signal/, 'no child died');
done_testing;
