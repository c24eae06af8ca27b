# SSLOptions FakeBasicAuth: the subject of a client certificate is the user of Basic authentication; a client cannot say
# so of itself, with or without the option; SSLUserName, SSLRequire and Satisfy beside it.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use MIME::Base64 qw(encode_base64);
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(make_cert);

my $dn   = '/C=GB/ST=Teststate/L=Testtown/O=Test Org/OU=Test Unit/CN=Test Client/emailAddress=client@example.test';
my $auth = 'AuthType Basic; AuthName x; AuthBasicProvider file; AuthUserFile @root@/passwords; Require ';

# Who asks: [port, client certificate, user:password]
my %who = (
    certificate  => ['https', 'client', ''],           nobody        => ['https', '', ''],
    password     => ['https', '', 'user:secret'],      both          => ['https', 'client', 'user:secret'],
    forger       => ['https', '', "$dn:password"],     'forger+cert' => ['https', 'client', "$dn:password"],
    'plain forger' => ['plain', '', "$dn:password"],   plain         => ['plain', '', 'user:secret'],
    slash        => ['https', '', '/x:password'],      'slash wrong' => ['https', '', '/x:wrong'],
    selfsigned   => ['noca', 'self', ''],              'noca cert'   => ['noca', 'client', ''],
);
my @order = ('certificate', 'nobody', 'password', 'both', 'forger', 'forger+cert', 'plain forger', 'plain', 'slash', 'slash wrong', 'selfsigned', 'noca cert');

# [directory, what stands in it, statuses in that order]. The last but one, an unverified certificate under optional_no_ca,
# becomes the user with the stock module: anybody can make one with this subject.
my @cases = (
    ['off',      "${auth}valid-user",                                             '401 401 200 200 403 403 403 200 403 401 401 401'],
    ['on',       "SSLOptions +FakeBasicAuth; ${auth}valid-user",                  '200 401 200 200 403 403 403 200 403 401 200* 200'],
    ['absolute', "SSLOptions FakeBasicAuth; ${auth}valid-user",                   '200 401 200 200 403 403 403 200 403 401 200* 200'],
    ['minus',    "SSLOptions -FakeBasicAuth; ${auth}valid-user",                  '401 401 200 200 403 403 403 200 403 401 401 401'],
    ['user',     "SSLOptions +FakeBasicAuth; ${auth}user \"$dn\"",                '200 401 401 200 403 403 403 401 403 401 200* 200'],
    ['other',    "SSLOptions +FakeBasicAuth; ${auth}user user",                   '401 401 200 401 403 403 403 200 403 401 401 401'],
    ['noauth',   'SSLOptions +FakeBasicAuth',                                     '200 200 200 200 200 200 200 200 200 200 200 200'],
    ['any',      "SSLOptions +FakeBasicAuth; Satisfy any; Order allow,deny; Deny from all; ${auth}valid-user", '200 401 200 200 403 403 403 200 403 401 200* 200'],
    ['anyopen',  "SSLOptions +FakeBasicAuth; Satisfy any; ${auth}valid-user",     '200 200 200 200 200 200 200 200 200 200 200 200'],
    ['name',     "SSLUserName SSL_CLIENT_S_DN_CN; ${auth}valid-user",             '200 401 200 200 403 200 403 200 403 401 200 200'],
    ['fakename', "SSLOptions +FakeBasicAuth; SSLUserName SSL_CLIENT_S_DN_CN; ${auth}user \"$dn\"", '200 401 401 200 403 403 403 401 403 401 200* 200'],
    ['nameonly', 'SSLUserName SSL_CLIENT_S_DN_CN; Require user "Test Client"',    undef],
    # the header is made after SSLRequire
    ['require',  "SSLOptions +FakeBasicAuth; SSLRequire %{HTTP:Authorization} == \"\"; ${auth}valid-user", '200 401 403 403 403 403 403 200 403 403 200* 200'],
);

my $directories = join '', map { my ($dir, $text) = @$_; "<Directory \@htdocs\@/$dir>\n" . join("\n", split /; /, $text) . "\n</Directory>\n" } @cases;
my $tls = "ServerName rsa.test\nSSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\nSSLCACertificateFile \@pki\@/ca.crt\n";
my $h = ModSSL::Httpd->new(listen => [qw(https plain noca)], config => $directories
    . "<VirtualHost *:\@port:https\@>\n${tls}SSLVerifyClient optional\n</VirtualHost>\n"
    . "<VirtualHost *:\@port:noca\@>\n${tls}SSLVerifyClient optional_no_ca\n</VirtualHost>\n<VirtualHost *:\@port:plain\@>\n</VirtualHost>\n");
my $self = make_cert(dir => $h->root . '/conf', name => 'self', subject => $dn, type => 'client', ca => 'self');
$h->file("htdocs/$_->[0]/index.html", "ok\n") for @cases;
$h->file('passwords', "user:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n$dn:xxj31ZMTZzkVA\n/x:xxj31ZMTZzkVA\n");
$h->start or die $h->why;

sub status {
    my ($dir, $port, $client, $user) = @_;
    my %cert = $client eq 'self' ? (cert => $self, key => $self =~ s/crt$/key/r) : $client ? (client => $client) : ();
    my $sock = $port eq 'plain' ? raw_connect($h->port('plain')) : tls_connect(port => $h->port($port), sni => 'rsa.test', version => '1.2', %cert);
    my $r = $sock && http_get($sock, "/$dir/", 'rsa.test', close => 1, headers => $user ? { Authorization => 'Basic ' . encode_base64($user, '') } : {});
    return $r ? $r->{status} : 'none';
}

for my $case (@cases) {
    my ($dir, $text, $statuses) = @$case;
    next if !$statuses;
    my @wanted = split / /, $statuses;
    subtest "$dir: " . $text =~ s/AuthType.*Require/password, Require/r => sub {
        for my $i (0 .. $#order) {
            my $wanted = $wanted[$i] =~ s/^200\*$/is_stock() ? 200 : 401/er;
            is(status($dir, @{ $who{ $order[$i] } }), $wanted, $order[$i]);
        }
    };
}
is(status('nameonly', 'https', 'client', ''), 200, 'SSLUserName is a user for Require user without any password');
ok($h->alive, 'the server is up');
done_testing;
