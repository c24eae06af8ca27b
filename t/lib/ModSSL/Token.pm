package ModSSL::Token;

=head1 NAME

ModSSL::Token - a token of SoftHSM with keys and certificates of the test PKI

=head1 SYNOPSIS

    use ModSSL::Token;
    plan skip_all => $why if ($why = ModSSL::Token::missing());
    my $token = ModSSL::Token->new($h->root, label => 'web', pin => '4711', keys => [qw(rsa ecdsa)]);
    $h->{env} = $token->env;      # SOFTHSM2_CONF, and OPENSSL_CONF that names the engine; by => 'provider': the provider
    $token->uri('rsa');           # "pkcs11:token=web;object=rsa"; the N-th key has id %0N
    $token->forget('rsa');        # the private key goes, the certificate stays

The server's children run as another user and have to open the token, too: its files are for everybody.

=cut

use strict;
use warnings;
use File::Find ();
use File::Path qw(make_path);
use ModSSL::PKI qw(pki_file openssl spew);

my $MODULE = '/usr/lib/softhsm/libsofthsm2.so';

my ($PROVIDER) = grep { -e } glob '/usr/lib/*/ossl-modules/pkcs11.so';

# Why no token can be made here that an engine, or a provider, opens, in words; nothing if one can.
sub missing {
    my ($by) = @_;
    my ($engine) = grep { -e } glob '/usr/lib/*/engines-3/pkcs11.so';
    return 'no SoftHSM (package softhsm2)' if !-e $MODULE;
    return 'no pkcs11-tool (package opensc)' if !-x '/usr/bin/pkcs11-tool';
    if ($by && $by eq 'provider') {
        return 'no PKCS#11 provider for this OpenSSL (package pkcs11-provider)' if !$PROVIDER;
        return 'AddressSanitizer ends whoever uses RTLD_DEEPBIND, as pkcs11-provider does' if $ENV{MODSSL_ASAN};
        return;
    }
    return 'no pkcs11 engine for this OpenSSL (package libengine-pkcs11-openssl)' if !$engine;
    return;
}

sub new {
    my ($class, $root, %o) = @_;
    my $self = bless { label => 'web', pin => '4711', keys => ['rsa'], %o, home => "$root/token" }, $class;
    make_path("$self->{home}/objects");
    spew("$self->{home}/softhsm2.conf", "directories.tokendir = $self->{home}/objects\nobjectstore.backend = file\nlog.level = ERROR\n");
    spew("$self->{home}/openssl.cnf", "openssl_conf = all\n[all]\n" . (($self->{by} || '') eq 'provider' ? <<"PROVIDER" : <<"ENGINE"));
providers = providers
[providers]
default = built_in
pkcs11 = pkcs11
[built_in]
activate = 1
[pkcs11]
module = $PROVIDER
pkcs11-module-path = $MODULE
pkcs11-module-cache-pins = cache
activate = 1
PROVIDER
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = $MODULE
init = 0
ENGINE
    $self->run('softhsm2-util', '--init-token', '--free', '--label', $self->{label}, '--pin', $self->{pin}, '--so-pin', '12345678');
    my $id = 0;
    $self->add($_, sprintf '%02x', ++$id) for @{ $self->{keys} };
    $self->open_to_all;
    return $self;
}

sub env {
    my ($self) = @_;
    return { SOFTHSM2_CONF => "$self->{home}/softhsm2.conf", OPENSSL_CONF => "$self->{home}/openssl.cnf" };
}

sub uri { my ($self, $name) = @_; return "pkcs11:token=$self->{label};object=$name" }

sub run {
    my ($self, @command) = @_;
    local $ENV{SOFTHSM2_CONF} = "$self->{home}/softhsm2.conf";
    open my $out, '-|', 'sh', '-c', '"$@" 2>&1', 'sh', @command or die "@command: $!\n";
    my $text = do { local $/; <$out> };
    close $out or die "@command failed:\n$text\n";
    return $text;
}

sub tool {
    my ($self, @args) = @_;
    return $self->run('pkcs11-tool', '--module', $MODULE, '--token-label', $self->{label}, '--login', '--pin', $self->{pin}, @args);
}

sub add {
    my ($self, $name, $id) = @_;
    my $der = "$self->{home}/der";
    openssl('pkey', '-in', pki_file("$name.key"), '-outform', 'DER', '-out', $der);
    $self->tool('--write-object', $der, '--type', 'privkey', '--id', $id, '--label', $name);
    openssl('x509', '-in', pki_file("$name.crt"), '-outform', 'DER', '-out', $der);
    $self->tool('--write-object', $der, '--type', 'cert', '--id', $id, '--label', $name);
    unlink $der;
    return;
}

sub forget {
    my ($self, $name) = @_;
    $self->tool('--delete-object', '--type', 'privkey', '--label', $name);
    return;
}

sub open_to_all {
    my ($self) = @_;
    File::Find::find(sub { chmod(-d $_ ? 0777 : 0666, $_) }, $self->{home});
    return;
}

1;
