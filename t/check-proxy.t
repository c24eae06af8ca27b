# TLS to backends: directories that children cannot use, hash links that lead nowhere, client certificates that have expired or
# soon will: warned of at start, once each, with file and line, also where a <Proxy> section names them. What is in order is not.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(ours_only);
use ModSSL::PKI qw(make_cert pki_dir pki_file openssl slurp spew);
ours_only('the stock module says nothing of these');

my $DAY = 86400;
my $pki = pki_dir();
my $h = ModSSL::Httpd->new(name => 'check-proxy', modules => [qw(proxy proxy_http)], listen => [qw(http other)]);
my $dir = $h->root . '/certs';
my ($hash) = openssl('x509', '-subject_hash', '-noout', '-in', pki_file('ca.crt')) =~ /^([0-9a-f]{8})$/m;
my ($crl_hash) = openssl('crl', '-hash', '-noout', '-in', pki_file('ca.crl')) =~ /^([0-9a-f]{8})$/m;

sub directory {
    my ($name, %files) = @_;
    my $path = $h->root . "/$name";
    mkdir $path;
    spew("$path/$_", $files{$_}) for keys %files;
    return $path;
}

# Certificates and their keys in one file.
make_cert(dir => $dir, name => 'old-inter', type => 'ca', cn => 'Old CA', start => -90 * $DAY, end => -$DAY);
for (
    [fine     => ()],
    [expired  => (start => -90 * $DAY, end => -$DAY)],
    [later    => (start => 10 * $DAY)],
    [soon     => (start => -300 * $DAY, end => 20 * $DAY + 3600)],
    [short    => (start => -3 * $DAY, end => 4 * $DAY)],
    [anyuse   => (eku => 'anyExtendedKeyUsage')],
    [nouse    => (eku => '')],
    [server   => (type => 'server')],
    [byold    => (issuer => 'old-inter')],
) {
    my ($name, @options) = @$_;
    make_cert(dir => $dir, name => $name, key => 'ec', type => 'client', cn => "$name client", @options);
    spew("$dir/$name.pem", slurp("$dir/$name.crt"), slurp("$dir/$name.key"));
}
my $both = directory('both', 'a.pem' => slurp("$dir/expired.pem"), 'b.pem' => slurp("$dir/fine.pem"));
my $unlinked = directory('unlinked', 'ca.pem' => slurp(pki_file('ca.crt')));
my $unlinked_crls = directory('unlinked-crls', 'ca.crl' => slurp(pki_file('ca.crl')));
my $shut = directory('shut', "$hash.0" => slurp(pki_file('ca.crt')));
my $shut_crls = directory('shut-crls', "$crl_hash.r0" => slurp(pki_file('ca.crl')));
my $cert = sub { "SSLProxyMachineCertificateFile $dir/$_[0].pem" };
my $lists = "SSLProxyCACertificateFile $pki/ca.crt\nSSLProxyCARevocationCheck leaf\nSSLProxyCARevocationPath";

# name => [directives, lines that must appear (and no others); \@ is "file:line", ^ what stands before]
my @CASES = (
    ['in order', $cert->('fine') . "\nSSLProxyCACertificatePath $pki/ca-dir\n$lists $pki/crl-dir", []],
    ['of a few days', $cert->('short'), []],
    ['any usage', $cert->('anyuse'), []],
    ['no usage', $cert->('nouse'), []],
    ['expired', $cert->('expired'), [qr{the client certificate 'CN=expired client' in '\Q$dir\E/expired\.pem' has expired on .* GMT: backends refuse it; renew it$}]],
    ['not yet valid', $cert->('later'), [qr{the client certificate 'CN=later client' in '\S+' is not yet valid: it begins on .* GMT, and backends refuse it}]],
    ['soon', $cert->('soon'), [qr{the client certificate 'CN=soon client' in '\S+' expires on .* GMT, in 20 days; renew it$}]],
    ['a directory', "SSLProxyMachineCertificatePath $both", [qr{the client certificate 'CN=expired client' in '\Q$both\E' has expired on}]],
    ['for servers', $cert->('server'), [qr{the client certificate 'CN=server client' in '\S+' is not for clients: its extendedKeyUsage lacks clientAuth}]],
    ['its CA', $cert->('byold') . "\nSSLProxyMachineCertificateChainFile $dir/old-inter.crt",
        [qr{the CA certificate 'CN=Old CA' in '\Q$dir\E/old-inter\.crt' has expired on}]],
    ['no link', "SSLProxyCACertificatePath $unlinked", [qr{SSLProxyCACertificatePath '\Q$unlinked\E': ca\.pem: no hash link points here.*; run: openssl rehash \Q$unlinked\E$}]],
    ['no link to a list', "$lists $unlinked_crls", [qr{SSLProxyCARevocationPath '\Q$unlinked_crls\E': ca\.crl: no hash link points here}]],
    ['a shut directory', "SSLProxyCACertificatePath $shut",
        [qr{SSLProxyCACertificatePath '\Q$shut\E' is read while connections are served, but the directory '\Q$shut\E' \(mode 0600, .*\) cannot be passed}], $shut],
    ['a shut directory of lists', "$lists $shut_crls",
        [qr{SSLProxyCARevocationPath '\Q$shut_crls\E' is read while connections are served, but the directory '\Q$shut_crls\E' \(mode 0600, .*\) cannot be passed}], $shut_crls],
);

# Where the directives stand => [configuration, whom the message names]. They are named twice each time, and warned of once.
my %PLACES = (
    host => [sub { "<VirtualHost 127.0.0.1:\@port:http\@>\nServerName a.test:80\nSSLProxyEngine on\n$_[0]\n</VirtualHost>\n"
        . "<VirtualHost 127.0.0.1:\@port:other\@>\nServerName b.test:80\nSSLProxyEngine on\n$_[0]\n</VirtualHost>\n" }, qr/a\.test:80, TLS to backends \(\S+\.conf:\d+\): /],
    section => [sub { "<VirtualHost 127.0.0.1:\@port:http\@>\nServerName a.test:80\nSSLProxyEngine on\n<Proxy \"https://one.test/\">\n$_[0]\n</Proxy>\n"
        . "<ProxyMatch \"^https://two\\.test/\">\n$_[0]\n</ProxyMatch>\n</VirtualHost>\n" }, qr{a\.test:80, <Proxy "https://one\.test/"> \(\S+\.conf:\d+\): }],
    match => [sub { "<VirtualHost 127.0.0.1:\@port:http\@>\nServerName a.test:80\nSSLProxyEngine on\n"
        . "<ProxyMatch \"^https://two\\.test/\">\n$_[0]\n</ProxyMatch>\n</VirtualHost>\n" }, qr{a\.test:80, <ProxyMatch "\^https://two\\\\?\.test/"> \(\S+\.conf:\d+\): }],
    inherited => [sub { "<Proxy *>\n$_[0]\n</Proxy>\n" . join '', map { "<VirtualHost 127.0.0.1:\@port:$_\@>\nServerName $_.test:80\nSSLProxyEngine on\n</VirtualHost>\n" } qw(http other) },
        qr{(?:http\.test|other\.test|main\.test):80, <Proxy "\*"> \(\S+\.conf:\d+\): }],
    off => [sub { "<VirtualHost 127.0.0.1:\@port:http\@>\nServerName a.test:80\n$_[0]\n</VirtualHost>\n<Proxy https://one.test/>\n$_[0]\n</Proxy>\n" }, undef],
);
for my $case (@CASES) {
    my ($name, $directives, $patterns, $closed) = @$case;
    for my $place (sort keys %PLACES) {
        my ($config, $where) = @{ $PLACES{$place} };
        my @want = $where ? @$patterns : ();
        $h->config("ServerName main.test:80\n" . $config->($directives));
        SKIP: {
            skip 'only root can start with such a directory', 1 if $closed && $>;
            chmod 0600, $closed if $closed;
            $h->log_mark;
            my $started = $h->start;
            ok($started, "$name, $place: starts") or diag $h->why;
            my @lines = grep { /\[ssl:warn\]/ && !/AH01873/ } split /\n/, $h->errorlog;
            my @found = map { my $want = $_; [grep { /$where$want/ } @lines] } @want;
            is(join(' ', map { scalar @$_ } @found) . ' of ' . @lines, join(' ', map { 1 } @want) . ' of ' . @want, "... said once") or diag join "\n", @lines;
            $h->stop if $started;
            chmod 0755, $closed if $closed;
        }
    }
}

# httpd -t says what needs no certificate to be read.
{
    $h->config($PLACES{section}[0]->("SSLProxyCACertificatePath $unlinked"));
    my ($status, $out) = $h->configtest;
    like($out, qr{<Proxy "https://one\.test/"> \(\S+\.conf:\d+\): SSLProxyCACertificatePath '\Q$unlinked\E': ca\.pem: no hash link}, 'httpd -t');
}

# Files that are missing, or behind a shut directory: no start, and which line and which directory is at fault.
my $below = directory('behind');
mkdir "$below/$_" for 'way', 'way/dir';
spew("$below/way/file.pem", slurp("$dir/fine.pem"));
for my $directive (qw(SSLProxyMachineCertificateFile SSLProxyMachineCertificateChainFile SSLProxyCACertificateFile SSLProxyCARevocationFile
    SSLProxyMachineCertificatePath SSLProxyCACertificatePath SSLProxyCARevocationPath)) {
    $h->config($PLACES{section}[0]->("$directive $dir/gone"));
    my ($status, $out) = $h->configtest;
    isnt($status, 0, "$directive: missing");
    like($out, qr{Syntax error on line \d+ of \S+\.conf:.*$directive: \S.*'\Q$dir\E/gone'.*No such file}s, '... file and line');
    next if $> == 0;
    $h->config($PLACES{section}[0]->("$directive $below/way/" . ($directive =~ /Path/ ? 'dir' : 'file.pem')));
    chmod 0600, "$below/way";
    ($status, $out) = $h->configtest;
    chmod 0755, "$below/way";
    like($out, qr{the directory '\Q$below\E/way' cannot be passed}, '... and what is in the way');
}
done_testing;
